// SPDX-License-Identifier: Apache-2.0

#include "controller/saspd/service_spec.hpp"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "controller/base/host_address.hpp"
#include "controller/base/lines.hpp"
#include "controller/base/nearest.hpp"
#include "controller/base/text.hpp"
#include "controller/lb/service_options.hpp"

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

// --- a service

Result<ServiceSettings> parse_service(std::string_view spec, const lb::Backend& backend) {
  std::string_view rest = spec;
  const auto key = lb::parse_service(lb::take_option(rest));
  if (!key) return fail(key.error());
  // The kernel would take such an address, and no packet would ever be for it.
  if (const auto* at = std::get_if<lb::VirtualEndpoint>(&*key)) {
    const auto form =
        fmt::format("the address that clients connect to, {}", backend.many_addresses);
    if (const auto ok = check_host_address(at->endpoint.address, form); !ok)
      return fail(ok.error());
  }
  return backend.parse_options(*key, rest);
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
  const auto endpoint = Endpoint::parse(lb::take_option(rest));
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
    const auto option = lb::take_option(rest);
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
  // The members there are were checked likewise, so one speaks for all.
  if (!group.members.empty() && (group.members.begin()->first.port == 0) != system) {
    return refuse(
        fmt::format("group '{}' has a member with a port and one without (port 0), but a group "
                    "holds only one kind",
                    group.name));
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
                         const lb::Backend& backend) {
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
