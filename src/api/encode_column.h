// Column -> FieldData and keys -> IDs, as clients read them: a slot per row for scalars, none for null vectors, the right
// kind of array even where there are no rows.
#pragma once

#include <string>
#include <vector>

#include "api/wire.h"
#include "model/collection.h"
#include "model/column.h"

namespace kite::api {

/// One output column. The dynamic field goes as JSON objects, `{}` for rows without.
void EncodeFieldData(const model::Column& column, const model::FieldSchema& field, pb_schema::FieldData* out);

/// Result columns by their field ids, in order. A column of no field of the schema is left out.
void EncodeColumns(const std::vector<model::Column>& columns, const model::CollectionSchema& schema,
                   google::protobuf::RepeatedPtrField<pb_schema::FieldData>* out);

/// Keys by `type`, which decides the kind even when there are none.
void EncodeKeys(const model::Column& keys, model::DataType type, pb_schema::IDs* out);

}  // namespace kite::api
