// SPDX-License-Identifier: Apache-2.0

#include "bpf/service_options.hpp"

#include <array>

#include "controller/lb/service_options.hpp"

namespace saspd::bpf {
namespace {

struct Given {
  bool manage = false;
  std::optional<std::chrono::seconds> drain;
  std::optional<lb::Forward> forward;
  bool stateless = false;
  std::optional<bool> drop_lost;
  std::optional<std::string> table;
};

Result<void> take_forward(Given& given, std::string_view value) {
  using lb::Forward;
  return lb::choose(given.forward, "forward", value,
                    {{"l2", Forward::route}, {"ipip", Forward::tunnel}},
                    {{"dr", Forward::route},
                     {"direct", Forward::route},
                     {"gate", Forward::route},
                     {"route", Forward::route},
                     {"tun", Forward::tunnel},
                     {"tunnel", Forward::tunnel}});
}

Result<void> take_table(Given& given, std::string_view value) {
  return lb::choose<std::string>(given.table, "table", value,
                                 {{"minimal", "minimal"}, {"independent", "independent"}});
}

Result<void> take_on_lost(Given& given, std::string_view value) {
  return lb::choose(given.drop_lost, "on-lost", value, {{"keep", false}, {"drop", true}});
}

Result<void> take_drain(Given& given, std::string_view value) {
  return lb::take_time(given.drain, "drain", value, 0);
}

template <auto member>
Result<void> switch_on(Given& given, std::string_view) {
  given.*member = true;
  return {};
}

constexpr std::array<lb::ServiceOption<Given>, 6> rows{{
    {"manage", switch_on<&Given::manage>},
    {"forward=l2|ipip", take_forward},
    {"drain=SECONDS", take_drain},
    {"stateless", switch_on<&Given::stateless>},
    {"on-lost=keep|drop", take_on_lost},
    {"table=minimal|independent", take_table},
}};

}  // namespace

// Every service of the XDP program is saspd's own; manage opens it to members that registered
// themselves.
Result<lb::ServiceSettings> parse_xdp_options(const lb::ServiceKey& key, std::string_view options) {
  const auto given = lb::parse_service_options<Given>(options, rows, " for --backend xdp");
  if (!given) return fail(given.error());
  const auto* at = std::get_if<lb::VirtualEndpoint>(&key);
  if (at == nullptr || at->protocol == lb::Protocol::sctp || at->endpoint.port == 0) {
    return fail(
        std::errc::invalid_argument,
        "--backend xdp supports TCP and UDP services with a port; fwmark, sctp and port 0 are for "
        "--backend ipvs");
  }
  lb::ManageSettings manage;
  manage.service.scheduler = given->table.value_or("minimal");
  if (given->stateless) manage.service.flags |= lb::service_flag::stateless;
  if (given->drop_lost.value_or(false)) manage.service.flags |= lb::service_flag::drop_lost;
  manage.tells_lost = true;
  manage.forward = given->forward.value_or(lb::Forward::route);
  manage.keeps_port = true;
  manage.open = given->manage;
  manage.drain = given->drain;
  lb::ServiceSettings service = lb::plain_service(key);
  service.manage = std::move(manage);
  return service;
}

}  // namespace saspd::bpf
