// The bond between a database's metadata and its objects in a bucket.
//
// Each knows the same random id. Without it, a server with other metadata that is pointed at the
// same bucket and root path would take the objects for leftovers and remove them.
#pragma once

#include <string>

#include "base/context.h"
#include "store/meta_store.h"
#include "store/object_store.h"

namespace kite::server {

/// Takes the place for the database where nobody has it yet. FailedPrecondition(Node) that names
/// `place` ("S3 at …") when another database has it.
Status ClaimObjects(const Context& context, store::MetaStore& meta, store::ObjectStore& objects,
                    const std::string& place);

/// The same without taking anything: NotFound(Object) when the metadata has objects somewhere and
/// the place does not know it.
Status CheckClaim(const Context& context, store::MetaStore& meta, store::ObjectStore& objects,
                  const std::string& place);

}  // namespace kite::server
