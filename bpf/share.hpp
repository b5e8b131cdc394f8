// SPDX-License-Identifier: Apache-2.0
// Runs our program beside others on one interface: in the dispatcher of libxdp, where it replaces
// one function (freplace). The programs in a dispatcher change only with a new dispatcher, so its
// number shows whether anything has changed.
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

// Error operation_not_permitted: without CAP_SYS_ADMIN, the programs there cannot be seen.
Result<void> may_share();

// Loads the balancer again, with the maps of the loaded one, as an extension for a dispatcher.
Result<Descriptor> load_extension(const lb_bpf& loaded);

// All interfaces get the extension, or none. Errors: device_or_resource_busy, an interface has a
// program without a dispatcher; not_supported, with the text of libxdp.
Result<std::vector<Attached>> share_all(const std::vector<Interface>& interfaces, int extension);

// Removes the program from the dispatchers of the interfaces on this record, where it is still
// there.
Result<void> leave_all(const Record& record);

// Empty if the caller may not look into dispatchers, which takes root.
std::optional<bool> is_sharing(std::uint32_t interface, std::uint32_t program);

}  // namespace saspd::bpf
