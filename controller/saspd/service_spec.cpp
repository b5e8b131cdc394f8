#include "controller/saspd/service_spec.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "controller/base/text.hpp"

namespace saspd {
namespace {

Error refuse(std::string text) {
  return fail(std::errc::invalid_argument, std::move(text));
}

// "GROUP=REST", where GROUP is 1..255 bytes (RFC 4678 5.2) of clean text.
Result<std::pair<std::string, std::string_view>> split_group(std::string_view value,
                                                             std::string_view form) {
  const auto equals = value.find('=');
  if (equals == std::string_view::npos) {
    return refuse(fmt::format("'{}' has no group; write {}", value, form));
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

// Up to the next comma, which is taken off `rest` too.
std::string_view take_option(std::string_view& rest) {
  const auto comma = rest.find(',');
  const std::string_view option = rest.substr(0, comma);
  rest = comma == std::string_view::npos ? "" : rest.substr(comma + 1);
  return option;
}

// --- a service

// The options of a service as given, before they are looked at together.
struct ServiceOptions {
  bool manage = false;
  std::optional<std::string> scheduler;
  std::optional<lb::Forward> forward;
  std::optional<lb::Protocol> protocol;
  std::optional<std::uint32_t> max;
  std::optional<std::chrono::seconds> drain;
  std::optional<std::uint32_t> persistent;
  bool one_packet = false;
  std::optional<std::string> hash_port;  // the scheduler whose flag it is

  bool only_for_manage() const {
    return scheduler || forward || drain || persistent || one_packet || hash_port;
  }
};

Result<lb::Forward> parse_forward(std::string_view value) {
  for (const auto forward : {lb::Forward::masquerade, lb::Forward::route, lb::Forward::tunnel}) {
    if (value == lb::name(forward)) return forward;
  }
  return refuse(fmt::format("forward={}: expected masquerade, route or tunnel", value));
}

Result<lb::Protocol> parse_protocol(std::string_view value) {
  for (const auto protocol : {lb::Protocol::tcp, lb::Protocol::udp, lb::Protocol::sctp}) {
    if (value == lb::name(protocol)) return protocol;
  }
  return refuse(fmt::format("proto={}: expected tcp, udp or sctp", value));
}

// IP_VS_SCHEDNAME_MAXLEN is 16 with its NUL.
Result<std::string> parse_scheduler(std::string_view value) {
  const bool is_name = std::all_of(value.begin(), value.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
  if (!value.empty() && value.size() <= 15 && is_name) return std::string(value);
  return refuse(fmt::format("scheduler={}: expected a name like wlc", value));
}

template <class Number>
Result<void> parse_into(std::optional<Number>& out, std::string_view name, std::string_view value,
                        std::uint64_t low, std::uint64_t high) {
  const auto number = parse_number(value, low, high);
  if (!number) return refuse(fmt::format("{}: {}", name, number.error().detail));
  out = Number{static_cast<std::uint32_t>(*number)};
  return {};
}

template <class T>
Result<void> store(std::optional<T>& out, Result<T> parsed) {
  if (!parsed) return fail(parsed.error());
  out = std::move(*parsed);
  return {};
}

Result<void> parse_option(ServiceOptions& options, std::string_view option) {
  constexpr std::uint64_t month = 31 * 86'400;  // what IPVS keeps of a timeout fits by far
  const auto equals = option.find('=');
  const std::string_view name = option.substr(0, equals);
  const std::string_view value = equals == std::string_view::npos ? "" : option.substr(equals + 1);
  if (option == "manage")
    options.manage = true;
  else if (option == "one-packet")
    options.one_packet = true;
  else if (option == "sh-port" || option == "mh-port")
    options.hash_port = option.substr(0, 2);
  else if (name == "scheduler")
    return store(options.scheduler, parse_scheduler(value));
  else if (name == "forward")
    return store(options.forward, parse_forward(value));
  else if (name == "proto")
    return store(options.protocol, parse_protocol(value));
  else if (name == "max")
    return parse_into(options.max, name, value, 1, 65535);
  else if (name == "drain")
    return parse_into(options.drain, name, value, 0, month);
  else if (name == "persistent")
    return parse_into(options.persistent, name, value, 1, month);
  else
    return refuse(
        fmt::format("unknown option '{}', expected manage, scheduler=NAME, "
                    "forward=masquerade|route|tunnel, drain=SECONDS, persistent=SECONDS, "
                    "one-packet, sh-port, mh-port, max=N or proto=tcp|udp|sctp",
                    option));
  return {};
}

Result<ManageSettings> managed(const lb::ServiceKey& key, lb::Protocol protocol,
                               const ServiceOptions& options) {
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
    if (protocol != lb::Protocol::udp) return refuse("one-packet is for UDP services only");
    service.flags |= lb::service_flag::one_packet;
  }
  if (options.persistent) {
    service.flags |= lb::service_flag::persistent;
    service.timeout = *options.persistent;
  }
  service.netmask = lb::host_netmask(lb::family(key));
  return manage;
}

Result<ServiceSettings> parse_service(std::string_view spec) {
  std::string_view rest = spec;
  const auto key = lb::parse_service(take_option(rest));
  if (!key) return fail(key.error());
  ServiceOptions options;
  while (!rest.empty()) {
    if (const auto parsed = parse_option(options, take_option(rest)); !parsed) {
      return fail(parsed.error());
    }
  }
  ServiceSettings service = plain_service(*key);
  if (options.protocol) {
    if (std::holds_alternative<lb::VirtualEndpoint>(*key)) {
      return refuse("proto= is for fwmark services; another service has a protocol of its own");
    }
    service.protocol = *options.protocol;
  }
  service.max = options.max;
  if (!options.manage && options.only_for_manage()) {
    return refuse(
        "without manage the service belongs to whoever made it; scheduler=, forward=, drain=, "
        "persistent=, one-packet, sh-port and mh-port go with manage");
  }
  if (options.manage) {
    auto manage = managed(*key, service.protocol, options);
    if (!manage) return fail(manage.error());
    service.manage = std::move(*manage);
  }
  return service;
}

// --- a member

struct MemberText {
  Endpoint endpoint;
  MemberSettings settings;
};

Result<MemberText> parse_member(std::string_view value) {
  MemberText member;
  std::string_view rest = value;
  const auto endpoint = Endpoint::parse(take_option(rest));
  if (!endpoint) return refuse(fmt::format("{}; write {}", endpoint.error().detail, member_form));
  member.endpoint = *endpoint;
  while (!rest.empty()) {
    if (rest.starts_with("label=")) {  // the rest of the value: a label may contain commas
      member.settings.label = rest.substr(6);
      break;
    }
    const auto option = take_option(rest);
    if (!option.starts_with("weight=")) {
      return refuse(fmt::format("'{}': unknown option '{}'; write {}", value, option, member_form));
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

// Where saspd does not make the destinations itself, the kernel may have any: another family in a
// tunnel, no port behind a firewall mark.
Result<void> check_member(const GroupSettings& group, const Endpoint& endpoint) {
  const bool system = endpoint.port == 0;
  for (const auto& [other, settings] : group.members) {
    if ((other.port == 0) != system) {
      return refuse(fmt::format(
          "a member with a port and one without (port 0) in group '{}': a group holds one kind",
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
  return refuse(
      fmt::format("an {} member, but group '{}' has only {} services without "
                  "forward=tunnel",
                  endpoint.address.family() == Family::v4 ? "IPv4" : "IPv6", group.name,
                  endpoint.address.family() == Family::v4 ? "IPv6" : "IPv4"));
}

}  // namespace

Result<void> add_service(std::vector<GroupSettings>& groups, std::string_view value) {
  const auto split = split_group(value, service_form);
  if (!split) return fail(split.error());
  auto service = parse_service(split->second);
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

}  // namespace saspd
