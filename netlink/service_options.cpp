// SPDX-License-Identifier: Apache-2.0

#include "netlink/service_options.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "controller/base/address.hpp"
#include "controller/lb/service_options.hpp"

namespace saspd::netlink {
namespace {

constexpr std::array<std::string_view, 14> kernel_schedulers{
    "rr", "wrr", "lc", "wlc", "fo", "ovf", "lblc", "lblcr", "dh", "sh", "mh", "sed", "nq", "twos"};

Error refuse(std::string text) {
  return fail(std::errc::invalid_argument, std::move(text));
}

struct Given {
  bool manage = false;
  std::optional<std::chrono::seconds> drain;
  std::optional<lb::Forward> forward;
  std::optional<std::string> scheduler;
  std::optional<lb::Protocol> protocol;
  std::optional<std::uint32_t> max;
  std::optional<std::chrono::seconds> persistent;
  bool one_packet = false;
  std::optional<std::string> hash_port;  // the scheduler whose flag it is
};

// IP_VS_SCHEDNAME_MAXLEN is 16 with its NUL.
Result<void> take_scheduler(Given& given, std::string_view value) {
  const bool is_name = std::all_of(value.begin(), value.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
  if (value.empty() || value.size() > 15 || !is_name) {
    return refuse(fmt::format("scheduler={}: expected a name like wlc", value));
  }
  given.scheduler = value;
  return {};
}

Result<void> take_max(Given& given, std::string_view value) {
  const auto number = parse_number(value, 1, 65535);
  if (!number) return refuse(fmt::format("max: {}", number.error().detail));
  given.max = static_cast<std::uint32_t>(*number);
  return {};
}

Result<void> take_forward(Given& given, std::string_view value) {
  using lb::Forward;
  return lb::choose(
      given.forward, "forward", value,
      {{"masquerade", Forward::masquerade}, {"route", Forward::route}, {"tunnel", Forward::tunnel}},
      {{"masq", Forward::masquerade},
       {"nat", Forward::masquerade},
       {"dr", Forward::route},
       {"direct", Forward::route},
       {"gate", Forward::route},
       {"gatewaying", Forward::route},
       {"tun", Forward::tunnel},
       {"ipip", Forward::tunnel}});
}

Result<void> take_protocol(Given& given, std::string_view value) {
  using lb::Protocol;
  return lb::choose(given.protocol, "proto", value,
                    {{"tcp", Protocol::tcp}, {"udp", Protocol::udp}, {"sctp", Protocol::sctp}});
}

template <auto member>
Result<void> switch_on(Given& given, std::string_view) {
  given.*member = true;
  return {};
}

Result<void> take_sh_port(Given& given, std::string_view) {
  given.hash_port = "sh";
  return {};
}
Result<void> take_mh_port(Given& given, std::string_view) {
  given.hash_port = "mh";
  return {};
}
Result<void> take_drain(Given& given, std::string_view value) {
  return lb::take_time(given.drain, "drain", value, 0);
}
Result<void> take_persistent(Given& given, std::string_view value) {
  return lb::take_time(given.persistent, "persistent", value, 1);
}

constexpr std::array<lb::ServiceOption<Given>, 10> rows{{
    {"manage", switch_on<&Given::manage>},
    {"scheduler=NAME", take_scheduler},
    {"forward=masquerade|route|tunnel", take_forward},
    {"drain=SECONDS", take_drain},
    {"persistent=SECONDS", take_persistent},
    {"one-packet", switch_on<&Given::one_packet>},
    {"sh-port", take_sh_port},
    {"mh-port", take_mh_port},
    {"max=N", take_max},
    {"proto=tcp|udp|sctp", take_protocol},
}};

Result<lb::ManageSettings> managed(const lb::ServiceSettings& of, const Given& given) {
  lb::ManageSettings manage;
  if (!given.forward) {
    return refuse("manage needs forward=masquerade, forward=route or forward=tunnel");
  }
  manage.forward = *given.forward;
  manage.drain = given.drain;
  lb::Service& service = manage.service;
  service.scheduler = given.scheduler.value_or("wlc");
  if (lb::hashes_clients(service.scheduler)) service.flags |= lb::service_flag::fallback;
  if (given.hash_port) {
    if (*given.hash_port != service.scheduler) {
      return refuse(fmt::format("{0}-port is a flag of scheduler {0}, not of {1}", *given.hash_port,
                                service.scheduler));
    }
    service.flags |= lb::service_flag::hash_port;
  }
  if (given.one_packet) {
    if (of.protocol != lb::Protocol::udp) return refuse("one-packet is for UDP services only");
    service.flags |= lb::service_flag::one_packet;
  }
  if (given.persistent) {
    service.flags |= lb::service_flag::persistent;
    service.timeout = static_cast<std::uint32_t>(given.persistent->count());
  }
  service.netmask = lb::host_netmask(lb::family(of.key));
  return manage;
}

}  // namespace

Result<lb::ServiceSettings> parse_ipvs_options(const lb::ServiceKey& key,
                                               std::string_view options) {
  const auto given = lb::parse_service_options<Given>(options, rows);
  if (!given) return fail(given.error());
  lb::ServiceSettings service = lb::plain_service(key);
  if (given->protocol) {
    if (std::holds_alternative<lb::VirtualEndpoint>(key)) {
      return refuse("proto= is for fwmark services; other services have a protocol of their own");
    }
    service.protocol = *given->protocol;
  }
  service.max = given->max;
  if (given->manage) {
    auto manage = managed(service, *given);
    if (!manage) return fail(manage.error());
    service.manage = std::move(*manage);
  } else if (given->scheduler || given->forward || given->drain || given->persistent ||
             given->one_packet || given->hash_port) {
    return refuse(
        "without manage, the service belongs to the program that created it; scheduler=, forward=, "
        "drain=, persistent=, one-packet, sh-port and mh-port go with manage");
  }
  return service;
}

std::optional<std::string> doubt_ipvs_service(const lb::ServiceSettings& service) {
  if (!service.manage) return std::nullopt;
  const std::string& scheduler = service.manage->service.scheduler;
  if (std::find(kernel_schedulers.begin(), kernel_schedulers.end(), scheduler) !=
      kernel_schedulers.end()) {
    return std::nullopt;
  }
  return fmt::format(
      "scheduler={} is not one of Linux's: {}; if it is a module of your own, it must be "
      "installed{}",
      scheduler, fmt::join(kernel_schedulers, " "), did_you_mean(scheduler, kernel_schedulers));
}

}  // namespace saspd::netlink
