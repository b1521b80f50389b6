/* schema: JSON Schema (2020-12) of a message, from its descriptor: what the JSON decoder takes. */
#ifndef SCHEMA_H
#define SCHEMA_H

#include <protobuf-c/protobuf-c.h>

struct arena;

/* Text in the arena; NULL without memory. */
char *wire_json_schema(const ProtobufCMessageDescriptor *d, struct arena *arena);

#endif
