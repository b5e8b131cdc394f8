// Our program beside others on one interface: in the dispatcher of libxdp, of which it takes the
// place of one function (freplace). Which programs are in a dispatcher changes by a new dispatcher
// being made, so its number tells whether anything has changed.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "bpf/links.hpp"
#include "bpf/pins.hpp"
#include "controller/base/descriptor.hpp"
#include "controller/base/error.hpp"

struct lb_bpf;

namespace saspd::bpf {

// Error operation_not_permitted: whoever lacks CAP_SYS_ADMIN does not see who is there.
Result<void> may_share();

// The balancer once more, with the maps of one that is loaded, as what a dispatcher takes in.
Result<Descriptor> load_extension(const lb_bpf& loaded);

// All of them get it, or none. Errors: device_or_resource_busy, a program is there without a
// dispatcher; not_supported, with the words of libxdp.
Result<std::vector<Attached>> share_all(const std::vector<Interface>& interfaces, int extension);

// Taken out of the dispatchers of the interfaces on this record, unless it is not there any more.
Result<void> leave_all(const Record& record);

// Nothing: who asks may not look into dispatchers, which takes root.
std::optional<bool> is_sharing(std::uint32_t interface, std::uint32_t program);

}  // namespace saspd::bpf
