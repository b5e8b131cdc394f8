// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/service_spec.hpp"

#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>

#include "controller/base/host_address.hpp"
#include "controller/base/lines.hpp"
#include "controller/base/nearest.hpp"
#include "controller/base/text.hpp"
#include "controller/cli/parsers.hpp"

namespace saspd::director {
namespace {

Error refuse(std::string text) {
  return fail(std::errc::invalid_argument, std::move(text));
}

// "GROUP=REST", where GROUP is 1..255 bytes (RFC 4678 5.2) of clean text.
Result<std::pair<std::string, std::string_view>> split_group(std::string_view value,
                                                             std::string_view form) {
  const auto equals = value.find('=');
  if (equals == std::string_view::npos) {
    const bool is_name = value.find(':') == std::string_view::npos;
    return refuse(fmt::format("'{}' has no {}; write {}", value, is_name ? "'='" : "group", form));
  }
  const std::string_view group = value.substr(0, equals);
  if (group.empty() || group.size() > sasp::max_text || !is_clean_utf8(group)) {
    return refuse(fmt::format(
        "'{}': the group has {} bytes, expected 1 to {} of text without control characters",
        printable(value), group.size(), sasp::max_text));
  }
  return std::pair{std::string(group), value.substr(equals + 1)};
}

GroupSettings* find_group(std::vector<GroupSettings>& groups, std::string_view name) {
  const auto found = std::find_if(groups.begin(), groups.end(),
                                  [&](const auto& group) { return group.name == name; });
  return found == groups.end() ? nullptr : &*found;
}

// The text up to the next comma, which is also removed from `rest`.
std::string_view take_option(std::string_view& rest) {
  const auto comma = rest.find(',');
  const std::string_view option = rest.substr(0, comma);
  rest = comma == std::string_view::npos ? "" : rest.substr(comma + 1);
  return option;
}

// --- a service

// The options of a service as given, before they are checked together.
struct ServiceOptions {
  bool manage = false;
  std::optional<std::chrono::seconds> drain;
  std::optional<lb::Forward> forward;
  // IPVS
  std::optional<std::string> scheduler;
  std::optional<lb::Protocol> protocol;
  std::optional<std::uint32_t> max;
  std::optional<std::uint32_t> persistent;
  bool one_packet = false;
  std::optional<std::string> hash_port;  // the scheduler whose flag it is
  // XDP
  bool stateless = false;
  std::optional<bool> drop_lost;
  std::optional<std::string> table;
};

constexpr std::string_view ipvs_options =
    "manage, scheduler=NAME, forward=masquerade|route|tunnel, drain=SECONDS, persistent=SECONDS, "
    "one-packet, sh-port, mh-port, max=N or proto=tcp|udp|sctp";
constexpr std::string_view xdp_options =
    "manage, forward=l2|ipip, drain=SECONDS, stateless, on-lost=keep|drop or "
    "table=minimal|independent";
constexpr std::array<std::string_view, 10> ipvs_names{
    "manage",     "scheduler", "forward", "drain", "persistent",
    "one-packet", "sh-port",   "mh-port", "max",   "proto"};
constexpr std::array<std::string_view, 6> xdp_names{"manage",    "forward", "drain",
                                                    "stateless", "on-lost", "table"};

// `also` are other tools' words for the same, which are not shown.
template <class T>
Result<void> choose(std::optional<T>& out, std::string_view name, std::string_view value,
                    std::initializer_list<std::pair<std::string_view, T>> choices,
                    std::initializer_list<std::pair<std::string_view, T>> also = {}) {
  std::string expected;
  std::vector<std::string_view> words;
  for (const auto& [word, meaning] : choices) {
    expected += fmt::format("{}{}", expected.empty() ? "" : " or ", word);
    words.push_back(word);
  }
  for (const auto& list : {choices, also}) {
    for (const auto& [word, meaning] : list) {
      if (value != word) continue;
      out = meaning;
      return {};
    }
  }
  return refuse(
      fmt::format("{}={}: expected {}{}", name, value, expected, did_you_mean(value, words)));
}

Result<void> parse_max(std::optional<std::uint32_t>& out, std::string_view value) {
  const auto number = parse_number(value, 1, 65535);
  if (!number) return refuse(fmt::format("max: {}", number.error().detail));
  out = static_cast<std::uint32_t>(*number);
  return {};
}

// What the kernel keeps of a time fits by far.
constexpr std::uint64_t month = std::uint64_t{31} * 86'400;

template <class Number>
Result<void> parse_time(std::optional<Number>& out, std::string_view name, std::string_view value,
                        std::uint64_t low) {
  const auto time = cli::parse_seconds(value, low, month);
  if (!time) return refuse(fmt::format("{}: {}", name, time.error().detail));
  out = Number{static_cast<std::uint32_t>(time->count())};
  return {};
}

// IP_VS_SCHEDNAME_MAXLEN is 16 with its NUL.
Result<void> parse_scheduler(std::optional<std::string>& out, std::string_view value) {
  const bool is_name = std::all_of(value.begin(), value.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
  if (value.empty() || value.size() > 15 || !is_name) {
    return refuse(fmt::format("scheduler={}: expected a name like wlc", value));
  }
  out = value;
  return {};
}

struct Option {
  std::string_view whole;
  std::string_view name;   // of NAME=VALUE
  std::string_view value;  // empty: none
};

Result<bool> parse_common(ServiceOptions& options, const Option& option) {
  if (option.whole == "manage") {
    options.manage = true;
    return true;
  }
  if (option.name != "drain") return false;
  if (auto ok = parse_time(options.drain, option.name, option.value, 0); !ok)
    return fail(ok.error());
  return true;
}

Result<void> parse_for_ipvs(ServiceOptions& options, const Option& option) {
  const auto& [whole, name, value] = option;
  if (whole == "one-packet")
    options.one_packet = true;
  else if (whole == "sh-port" || whole == "mh-port")
    options.hash_port = whole.substr(0, 2);
  else if (name == "scheduler")
    return parse_scheduler(options.scheduler, value);
  else if (name == "forward")
    return choose(options.forward, name, value,
                  {{"masquerade", lb::Forward::masquerade},
                   {"route", lb::Forward::route},
                   {"tunnel", lb::Forward::tunnel}},
                  {{"masq", lb::Forward::masquerade},
                   {"nat", lb::Forward::masquerade},
                   {"dr", lb::Forward::route},
                   {"direct", lb::Forward::route},
                   {"gate", lb::Forward::route},
                   {"gatewaying", lb::Forward::route},
                   {"tun", lb::Forward::tunnel},
                   {"ipip", lb::Forward::tunnel}});
  else if (name == "proto")
    return choose(
        options.protocol, name, value,
        {{"tcp", lb::Protocol::tcp}, {"udp", lb::Protocol::udp}, {"sctp", lb::Protocol::sctp}});
  else if (name == "max")
    return parse_max(options.max, value);
  else if (name == "persistent")
    return parse_time(options.persistent, name, value, 1);
  else
    return refuse(fmt::format("unknown option '{}', expected {}{}", whole, ipvs_options,
                              did_you_mean(name, ipvs_names)));
  return {};
}

Result<void> parse_for_xdp(ServiceOptions& options, const Option& option) {
  const auto& [whole, name, value] = option;
  if (whole == "stateless")
    options.stateless = true;
  else if (name == "forward")
    return choose(options.forward, name, value,
                  {{"l2", lb::Forward::route}, {"ipip", lb::Forward::tunnel}},
                  {{"dr", lb::Forward::route},
                   {"direct", lb::Forward::route},
                   {"gate", lb::Forward::route},
                   {"route", lb::Forward::route},
                   {"tun", lb::Forward::tunnel},
                   {"tunnel", lb::Forward::tunnel}});
  else if (name == "on-lost")
    return choose(options.drop_lost, name, value, {{"keep", false}, {"drop", true}});
  else if (name == "table")
    return choose<std::string>(options.table, name, value,
                               {{"minimal", "minimal"}, {"independent", "independent"}});
  else
    return refuse(fmt::format("unknown option '{}' for --backend xdp, expected {}{}", whole,
                              xdp_options, did_you_mean(name, xdp_names)));
  return {};
}

Result<ServiceOptions> parse_options_of_service(std::string_view rest, Backend backend) {
  ServiceOptions options;
  std::set<std::string_view> given;
  while (!rest.empty()) {
    const std::string_view whole = take_option(rest);
    const auto equals = whole.find('=');
    const Option option{whole, whole.substr(0, equals),
                        equals == std::string_view::npos ? "" : whole.substr(equals + 1)};
    if (!given.insert(option.name).second)
      return refuse(fmt::format("option '{}' is given twice", option.name));
    const auto common = parse_common(options, option);
    if (!common) return fail(common.error());
    if (*common) continue;
    const auto parsed =
        backend == Backend::ipvs ? parse_for_ipvs(options, option) : parse_for_xdp(options, option);
    if (!parsed) return fail(parsed.error());
  }
  return options;
}

Result<ManageSettings> managed_ipvs(const ServiceSettings& of, const ServiceOptions& options) {
  ManageSettings manage;
  if (!options.forward) {
    return refuse("manage needs forward=masquerade, forward=route or forward=tunnel");
  }
  manage.forward = *options.forward;
  manage.drain = options.drain;
  lb::Service& service = manage.service;
  service.scheduler = options.scheduler.value_or("wlc");
  if (lb::hashes_clients(service.scheduler)) service.flags |= lb::service_flag::fallback;
  if (options.hash_port) {
    if (*options.hash_port != service.scheduler) {
      return refuse(fmt::format("{0}-port is a flag of scheduler {0}, not of {1}",
                                *options.hash_port, service.scheduler));
    }
    service.flags |= lb::service_flag::hash_port;
  }
  if (options.one_packet) {
    if (of.protocol != lb::Protocol::udp) return refuse("one-packet is for UDP services only");
    service.flags |= lb::service_flag::one_packet;
  }
  if (options.persistent) {
    service.flags |= lb::service_flag::persistent;
    service.timeout = *options.persistent;
  }
  service.netmask = lb::host_netmask(lb::family(of.key));
  return manage;
}

Result<void> complete_ipvs(ServiceSettings& service, const ServiceOptions& options) {
  if (options.protocol) {
    if (std::holds_alternative<lb::VirtualEndpoint>(service.key)) {
      return refuse("proto= is for fwmark services; other services have a protocol of their own");
    }
    service.protocol = *options.protocol;
  }
  service.max = options.max;
  if (options.manage) {
    auto manage = managed_ipvs(service, options);
    if (!manage) return fail(manage.error());
    service.manage = std::move(*manage);
    return {};
  }
  if (options.scheduler || options.forward || options.drain || options.persistent ||
      options.one_packet || options.hash_port) {
    return refuse(
        "without manage, the service belongs to the program that created it; scheduler=, forward=, "
        "drain=, persistent=, one-packet, sh-port and mh-port go with manage");
  }
  return {};
}

// Every service of the XDP program is saspd's own; manage opens it to members that registered
// themselves.
Result<void> complete_xdp(ServiceSettings& service, const ServiceOptions& options) {
  const auto* at = std::get_if<lb::VirtualEndpoint>(&service.key);
  if (at == nullptr || at->protocol == lb::Protocol::sctp || at->endpoint.port == 0) {
    return refuse(
        "--backend xdp supports TCP and UDP services with a port; fwmark, sctp and port 0 are for "
        "--backend ipvs");
  }
  ManageSettings manage;
  manage.service.scheduler = options.table.value_or("minimal");
  if (options.stateless) manage.service.flags |= lb::service_flag::stateless;
  if (options.drop_lost.value_or(false)) manage.service.flags |= lb::service_flag::drop_lost;
  manage.tells_lost = true;
  manage.forward = options.forward.value_or(lb::Forward::route);
  manage.keeps_port = true;
  manage.open = options.manage;
  manage.drain = options.drain;
  service.manage = std::move(manage);
  return {};
}

// The kernel would take such a service, and no packet would ever be for it.
Result<void> check_virtual_address(const lb::ServiceKey& key, Backend backend) {
  const auto* at = std::get_if<lb::VirtualEndpoint>(&key);
  if (at == nullptr) return {};
  return check_host_address(
      at->endpoint.address,
      backend == Backend::ipvs
          ? "the address that clients connect to, or fwmark:N for many addresses at once"
          : "the address that clients connect to, a --service for each");
}

Result<ServiceSettings> parse_service(std::string_view spec, Backend backend) {
  std::string_view rest = spec;
  const auto key = lb::parse_service(take_option(rest));
  if (!key) return fail(key.error());
  if (const auto ok = check_virtual_address(*key, backend); !ok) return fail(ok.error());
  const auto options = parse_options_of_service(rest, backend);
  if (!options) return fail(options.error());
  ServiceSettings service = plain_service(*key);
  const auto completed =
      backend == Backend::ipvs ? complete_ipvs(service, *options) : complete_xdp(service, *options);
  if (!completed) return fail(completed.error());
  return service;
}

// --- a member

struct MemberText {
  Endpoint endpoint;
  MemberSettings settings;
};

// The option that seems to begin after a comma of `label`, if any.
std::string_view option_in(std::string_view label) {
  for (auto comma = label.find(','); comma != std::string_view::npos;
       comma = label.find(',', comma + 1)) {
    const auto rest = trimmed(label.substr(comma + 1));
    const auto equals = rest.find('=');
    const auto name = trimmed(rest.substr(0, equals));
    const bool is_word = std::all_of(name.begin(), name.end(),
                                     [](char c) { return (c >= 'a' && c <= 'z') || c == '-'; });
    if (equals != std::string_view::npos && !name.empty() && is_word) return rest;
  }
  return {};
}

// Takes "label=TEXT" off `rest`: in quotes up to the quote that closes, else all that is left, as a
// label may hold commas. What looks like an option in it was meant as one.
Result<std::string> take_label(std::string_view& rest) {
  std::string_view label = rest.substr(std::string_view("label=").size());
  const char quote = label.empty() ? '\0' : label.front();
  const auto end = quote == '"' || quote == '\'' ? label.find(quote, 1) : std::string_view::npos;
  const bool is_quoted =
      end != std::string_view::npos && (end + 1 == label.size() || label[end + 1] == ',');
  if (is_quoted) {
    rest = label.substr(std::min(end + 2, label.size()));
    return std::string(label.substr(1, end - 1));
  }
  if (const auto option = option_in(label); !option.empty()) {
    return refuse(
        fmt::format("the label would be '{0}'; write label= last, or the label in quotes: "
                    "label=\"{1}\",{2}, or "
                    "label=\"{0}\" if that is the label",
                    label, trimmed(label.substr(0, label.rfind(',', label.find(option)))), option));
  }
  rest = {};
  return std::string(label);
}

Result<MemberText> parse_member(std::string_view value) {
  MemberText member;
  std::string_view rest = value;
  const auto endpoint = Endpoint::parse(take_option(rest));
  if (!endpoint) return refuse(fmt::format("{}; write {}", endpoint.error().detail, member_form));
  if (const auto ok = check_host_address(endpoint->address, "the server's own"); !ok)
    return refuse(fmt::format("'{}': {}", value, ok.error().detail));
  member.endpoint = *endpoint;
  while (!rest.empty()) {
    if (rest.starts_with("label=")) {
      auto label = take_label(rest);
      if (!label) return refuse(fmt::format("'{}': {}", value, label.error().detail));
      member.settings.label = std::move(*label);
      continue;
    }
    const auto option = take_option(rest);
    if (!option.starts_with("weight=")) {
      constexpr std::array<std::string_view, 2> names{"weight", "label"};
      return refuse(fmt::format("'{}': unknown option '{}'; write {}{}", value, option, member_form,
                                did_you_mean(option.substr(0, option.find('=')), names)));
    }
    const auto weight = parse_number(option.substr(7), 0, 65535);
    if (!weight) return refuse(fmt::format("'{}': weight: {}", value, weight.error().detail));
    member.settings.weight = static_cast<std::uint32_t>(*weight);
  }
  const std::string& label = member.settings.label;
  if (label.size() > sasp::max_text || !is_clean_utf8(label)) {  // RFC 4678 5.1
    return refuse(
        fmt::format("'{}': the label has {} bytes, expected 0 to {} of text without control "
                    "characters",
                    printable(value), label.size(), sasp::max_text));
  }
  return member;
}

// Where saspd does not create the destinations itself, the kernel may have any: another family in a
// tunnel, no port for a firewall mark.
Result<void> check_member(const GroupSettings& group, const Endpoint& endpoint) {
  const bool system = endpoint.port == 0;
  for (const auto& [other, settings] : group.members) {
    if ((other.port == 0) != system) {
      return refuse(
          fmt::format("group '{}' has a member with a port and one without (port 0), but a group "
                      "holds only one kind",
                      group.name));
    }
  }
  const auto takes = [&](const ServiceSettings& service) {
    const auto* at = std::get_if<lb::VirtualEndpoint>(&service.key);
    if (system && at != nullptr && at->endpoint.port != 0) return false;
    return !service.manage || fits(group, service, member_of(service, endpoint));
  };
  if (std::any_of(group.services.begin(), group.services.end(), takes)) return {};
  if (system) {
    return refuse(fmt::format(
        "port 0 is for members of services without a port of their own, and group '{}' has none",
        group.name));
  }
  const ServiceSettings& service = group.services.front();
  const auto* at = std::get_if<lb::VirtualEndpoint>(&service.key);
  if (service.manage && service.manage->keeps_port && at->endpoint.port != endpoint.port) {
    return refuse(
        fmt::format("port {}, but the XDP program rewrites no port: a server must listen on the "
                    "port of its service, {}",
                    endpoint.port, lb::text(service.key)));
  }
  const bool v4 = endpoint.address.family() == Family::v4;
  return refuse(
      fmt::format("an {} member, but group '{}' has only {} services without a tunnel "
                  "(forward=tunnel; with --backend xdp forward=ipip)",
                  v4 ? "IPv4" : "IPv6", group.name, v4 ? "IPv6" : "IPv4"));
}

}  // namespace

Result<void> add_service(std::vector<GroupSettings>& groups, std::string_view value,
                         Backend backend) {
  const auto split = split_group(value, service_form);
  if (!split) return fail(split.error());
  auto service = parse_service(split->second, backend);
  if (!service) return refuse(fmt::format("'{}': {}", value, service.error().detail));
  for (const auto& group : groups) {
    for (const auto& other : group.services) {
      if (other.key != service->key) continue;
      return refuse(fmt::format("'{}': {} is already a service of group '{}'", value,
                                lb::text(other.key), group.name));
    }
  }
  GroupSettings* group = find_group(groups, split->first);
  if (group == nullptr) group = &groups.emplace_back(GroupSettings{split->first, {}, {}});
  group->services.push_back(std::move(*service));
  return {};
}

Result<void> add_member(std::vector<GroupSettings>& groups, std::string_view value) {
  const auto split = split_group(value, member_form);
  if (!split) return fail(split.error());
  const auto member = parse_member(split->second);
  if (!member) return fail(member.error());
  GroupSettings* group = find_group(groups, split->first);
  if (group == nullptr) {
    return refuse(fmt::format("'{}': no --service names group '{}'", value, split->first));
  }
  if (const auto checked = check_member(*group, member->endpoint); !checked) {
    return refuse(fmt::format("'{}': {}", value, checked.error().detail));
  }
  if (!group->members.emplace(member->endpoint, member->settings).second) {
    return refuse(fmt::format("'{}': member {} of group '{}' was given before", value,
                              member->endpoint.text(), group->name));
  }
  return {};
}

}  // namespace saspd::director
