// SPDX-License-Identifier: Apache-2.0
// A backend is a kind of data plane, as a row: all that distinguishes it from the others. Each has
// its row in a folder of its own, and nobody else asks which one it is. A new one is that folder, a
// line in controller/programs/saspd/backends.hpp and one where that links it.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "controller/base/capability.hpp"
#include "controller/base/error.hpp"
#include "controller/base/exit_codes.hpp"
#include "controller/lb/dataplane.hpp"
#include "controller/lb/observer.hpp"
#include "controller/lb/service_settings.hpp"

namespace saspd::lb {

// What a backend opens.
class ObservedDataplane : public Dataplane, public Observer {};

// What goes on being needed once it is open.
struct Rights {
  std::vector<Capability> capabilities{};
  std::vector<std::string> writes{};  // files that are opened again
};

struct Backend {
  std::string_view name{};   // of --backend; also of its lock, its ledger and its metrics
  std::string_view title{};  // in messages: "IPVS"
  std::string_view help{};   // what distributes the connections: "the kernel's IPVS"
  // For --help: the options of a service, and an example.
  std::string_view service_help{};

  Dataplane::Traits traits{};
  // Why --adopt has no sense with it: who creates its services. Empty: it has.
  std::string_view not_adopted{};
  // Root attaches a program with maps of a certain size first (--attach), and may have to again.
  bool is_attached = false;

  // The options of a service, "manage,drain=5m", checked together; errors name the fault and the
  // accepted form, without the service.
  Result<ServiceSettings> (*parse_options)(const ServiceKey& service,
                                           std::string_view options) = nullptr;
  // What to write for a service at many addresses, for the error at one that is none.
  std::string_view many_addresses{};
  // What may be meant so and probably is not. nullptr: nothing is ever doubted.
  std::optional<std::string> (*doubt)(const ServiceSettings& service) = nullptr;
  // The table as input for the tool of the backend, a line each. nullptr: there is no such tool.
  std::vector<std::string> (*rules)(const Table& table) = nullptr;

  // `pins`: --pins, for one that is attached. The details of open()'s errors name the remedy, and
  // their codes determine how the program ends (exit_code_of).
  Rights (*rights)(const std::string& pins) = nullptr;
  Result<std::unique_ptr<ObservedDataplane>> (*open)(const std::string& pins,
                                                     bool dry_run) = nullptr;
};

// How a program ends that cannot open, attach or detach a backend: unavailable, the kernel has none
// or nothing is attached (no_protocol_option, no_such_file_or_directory); try_again, another process
// has it (address_in_use, resource_unavailable_try_again); no_permission; configuration, it does not
// fit (not_supported, no_such_device, device_or_resource_busy); else io.
ExitCode exit_code_of(const std::error_code& code);

}  // namespace saspd::lb
