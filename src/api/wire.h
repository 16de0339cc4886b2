// The generated messages of the client contract under short names. Precompiled for this folder; nothing outside of it
// may see these headers.
#pragma once

// libprotobuf is built without the thread sanitizer; with it this header would give its classes another layout.
#pragma push_macro("__SANITIZE_THREAD__")
#undef __SANITIZE_THREAD__
#include <google/protobuf/map_field.h>
#pragma pop_macro("__SANITIZE_THREAD__")

#include <google/protobuf/arena.h>
#include <google/protobuf/message.h>

#include "common.pb.h"
#include "milvus.pb.h"
#include "schema.pb.h"

namespace kite::api {

namespace pb = ::milvus::proto::milvus;
namespace pb_common = ::milvus::proto::common;
namespace pb_schema = ::milvus::proto::schema;

}  // namespace kite::api
