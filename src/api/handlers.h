// The handlers of each area put themselves into the service's table.
#pragma once

namespace kite::api {

class Service;

void AddAliasHandlers(Service& service);
void AddCollectionHandlers(Service& service);
void AddCompactionHandlers(Service& service);
void AddDatabaseHandlers(Service& service);
void AddDeleteHandlers(Service& service);
void AddDescribeHandlers(Service& service);
void AddFlushHandlers(Service& service);
void AddIndexHandlers(Service& service);
void AddInsertHandlers(Service& service);
void AddLoadHandlers(Service& service);
void AddPartitionHandlers(Service& service);
void AddQueryHandlers(Service& service);
void AddSearchHandlers(Service& service);
void AddSegmentHandlers(Service& service);
void AddSystemHandlers(Service& service);

}  // namespace kite::api
