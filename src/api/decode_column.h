// FieldData -> Column, with every length checked. Nothing of a request is trusted: what does not fit is InvalidArgument
// that names the field, what Milvus knows and we do not is Unimplemented.
#pragma once

#include <cstdint>
#include <memory>

#include "api/wire.h"
#include "base/result.h"
#include "model/request.h"

namespace kite::api {

/// Exactly `rows` rows, nulls normalised as in model/column.h: clients send null rows with or without a slot. Large
/// arrays are borrowed from `data`, kept alive by `owner`.
///
/// `element_type` is what the schema says of an ARRAY: clients do not, and the values alone do not tell INT8 from INT32,
/// or anything if every row is empty. Values of another kind decode all the same, to their own type.
Result<model::NamedColumn> DecodeColumn(const pb_schema::FieldData& data, uint64_t rows,
                                        const std::shared_ptr<const void>& owner,
                                        model::DataType element_type = model::DataType::kNone);

/// Every column of a write. `schema` is needed only with ARRAY columns, and may be null without.
Result<std::vector<model::NamedColumn>> DecodeColumns(
    const google::protobuf::RepeatedPtrField<pb_schema::FieldData>& fields, uint64_t rows,
    const model::CollectionSchema* schema, const std::shared_ptr<const void>& owner);

/// Milvus's number of a data type, known to this server's model or not: Unimplemented / InvalidArgument when not.
Result<model::DataType> DecodeDataType(int number, std::string_view field);

}  // namespace kite::api
