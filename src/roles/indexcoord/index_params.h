// What a client says of an index it wants, checked and brought into one form.
#pragma once

#include <string>

#include "base/result.h"
#include "model/schema.h"

namespace kite::roles {

struct IndexSpec {
  std::string index_type;  ///< as asked; AUTOINDEX when nothing was
  std::string metric;  ///< of vector fields, in Milvus's spelling; COSINE when nothing was asked
  model::Properties params;  ///< everything else, numbers as texts
  std::string json_path;     ///< of JSON fields, "/a/b"; part of the default name
};

/// `asked` holds index_type, metric_type, single parameters, and `params`, a JSON object of more.
/// InvalidArgument(Index / Metric / Parameter) names what is wrong and what would be right;
/// Unimplemented names index types that are known and not built.
Result<IndexSpec> ParseIndexSpec(const model::FieldSchema& field, const model::Properties& asked);

/// Parameters of an existing index that may be changed. InvalidArgument(Parameter) for others and
/// for bad values.
Status CheckAlterable(const std::string& name, const std::string& value);

}  // namespace kite::roles
