// SPDX-License-Identifier: Apache-2.0
// Whatever a datagram of the kernel holds, reading it stays inside and ends.
#include "netlink/ipvs_codec.hpp"

using namespace saspd::netlink;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::uint8_t> datagram(data, data + size);  // aligned, as a receive buffer is
  for (ByteView rest = datagram; !rest.empty();) {
    const auto message = take_message(rest);
    if (!message) break;
    (void)verdict(*message);
    const auto attributes = message->attributes();
    if (!attributes) continue;
    (void)parse_service_record(*attributes);
    (void)parse_destination_record(*attributes, saspd::Family::v4);
    (void)parse_destination_record(*attributes, saspd::Family::v6);
    (void)parse_version(*attributes);
  }
  BatchOutcome outcome(1, 3);
  outcome.add(datagram);
  if (outcome.complete() || outcome.lossy()) (void)outcome.failed();
  return 0;
}
