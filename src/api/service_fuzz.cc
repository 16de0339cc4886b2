// Requests of every method: a line with the method's name, then the bytes of the request.
#include <cstddef>
#include <cstdint>
#include <string>

#include "api/fake_roles.h"
#include "api/test_requests.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace kite::api;
  static FakeRoles roles;
  static const Service service(roles.roles(), {}, nullptr);
  const RecordedRequest request = SplitRecorded({reinterpret_cast<const char*>(data), size});
  RunRequest(service, request.method, request.bytes);
  return 0;
}
