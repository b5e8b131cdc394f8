// SPDX-License-Identifier: Apache-2.0

#include "netlink/ipvs.hpp"

#include <linux/ip_vs.h>
#include <linux/netlink.h>

#include <algorithm>
#include <map>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "netlink/ipvs_codec.hpp"
#include "netlink/ipvs_settings.hpp"

namespace saspd::netlink {
namespace {

// From this many services on, one dump of all is cheaper than a question for each.
constexpr std::size_t dump_from = 16;

lb::Pool empty_pool(lb::Service attributes) {
  return {std::move(attributes), {}};
}

// The kernel's words, and what they mean here.
Error explained(const lb::Change& change, Error error) {
  const bool of_service =
      change.action == lb::Action::add_service || change.action == lb::Action::set_service;
  const std::string& scheduler = change.attributes.scheduler;
  const auto means = [&error](std::string_view text) {
    error.detail = fmt::format("{}, {}", text, error.detail);
  };
  if (error.code == std::errc::no_such_process) error.detail = "no such service";
  if (error.code == std::errc::no_such_file_or_directory) {
    if (of_service)
      means(fmt::format("the kernel has no scheduler '{0}'; load it with 'modprobe ip_vs_{0}'",
                        scheduler));
    else
      error.detail = "no such destination";
  }
  if (error.code == std::errc::file_exists) error.detail = "another program has added it";
  if (error.code == std::errc::invalid_argument && change.action == lb::Action::add_destination &&
      change.destination.endpoint.address.family() != lb::family(change.service)) {
    means("a destination of the other address family must be tunnelled, forward=tunnel");
  }
  return at(change.text(), std::move(error));
}

// What is read before it is written: set_destination replaces it all, and to remove it is decided by it.
bool writes_what_exists(const lb::Change& change) {
  return change.action == lb::Action::set_destination ||
         change.action == lb::Action::remove_destination;
}

// Changes of one service, because its read must be as late as possible. More changes than this
// would be long after the read; fewer would read a big service too often.
constexpr std::size_t most_behind_a_read = 2 * GenlSocket::max_batch;
std::span<const lb::Change> first_run(std::span<const lb::Change> changes) {
  const auto most = changes.first(std::min(most_behind_a_read, changes.size()));
  const auto other = std::find_if(most.begin(), most.end(), [&](const lb::Change& change) {
    return change.service != most.front().service;
  });
  return changes.first(static_cast<std::size_t>(other - most.begin()));
}

// Nothing was written, so that the code must not say that this is unknown.
Error not_read(Error error) {
  if (error.code == std::errc::no_such_process) return error;
  return fail(std::errc::io_error,
              "not written, because the kernel's state cannot be read: " + error.detail);
}

}  // namespace

struct Ipvs::Present {
  std::optional<lb::Service> service;  // if one of the batch sets it
  std::map<Endpoint, std::optional<PresentDestination>> destinations;  // nothing: it is not there
};

Result<std::unique_ptr<Ipvs>> Ipvs::open() {
  std::unique_ptr<Ipvs> ipvs(new Ipvs);
  if (const auto resolved = ipvs->resolve(); !resolved) return fail(resolved.error());
  if (const auto read = ipvs->read_version(); !read) return fail(read.error());
  return ipvs;
}

Ipvs::Ipvs() : requests_(GenlSocket::max_batch) {}

Result<void> Ipvs::resolve() {
  const auto family = socket_.resolve(IPVS_GENL_NAME);
  if (family) {
    family_ = *family;
    return {};
  }
  // A kernel without generic netlink does not even have the socket.
  if (family.error().code == std::errc::no_such_file_or_directory ||
      family.error().code == std::errc::protocol_not_supported) {
    return fail(std::errc::no_protocol_option,
                "the kernel has no IPVS; load it with 'modprobe ip_vs'");
  }
  return fail(family.error());
}

// The first question that needs a right: resolving needs none.
Result<void> Ipvs::read_version() {
  only_request(IPVS_CMD_GET_INFO);
  const auto answer = socket_.ask(requests_);
  if (!answer && answer.error().code == std::errc::operation_not_permitted) {
    return fail(
        answer.error().code,
        "not permitted to use IPVS; this needs CAP_NET_ADMIN in the initial user namespace");
  }
  if (!answer) return fail(at("IPVS version", answer.error()));
  auto version = parse_version(*answer);
  if (!version) return fail(at("IPVS version", version.error()));
  version_ = std::move(*version);
  return {};
}

Result<lb::Table> Ipvs::list(std::span<const lb::ServiceKey> services) {
  // The family has another id after its module was reloaded.
  if (const auto resolved = resolve(); !resolved) return fail(resolved.error());
  if (services.size() < dump_from) return with_destinations(list_each(services));
  auto table = list_services();
  if (table) lb::keep_only(services, *table);
  return with_destinations(std::move(table));
}

Result<lb::Table> Ipvs::list_all() {
  if (const auto resolved = resolve(); !resolved) return fail(resolved.error());
  return with_destinations(list_services());
}

Result<lb::Table> Ipvs::with_destinations(Result<lb::Table> services) {
  if (!services) return services;
  for (auto& [service, pool] : *services) {
    const auto listed = list_destinations(service, pool);
    if (!listed) return fail(at(lb::text(service), listed.error()));
  }
  return services;
}

Result<lb::Table> Ipvs::list_each(std::span<const lb::ServiceKey> services) {
  lb::Table table;
  for (const lb::ServiceKey& service : services) {
    auto attributes = read_service(service);
    if (!attributes && attributes.error().code == std::errc::no_such_process) continue;
    if (!attributes) return fail(at(lb::text(service), attributes.error()));
    table.emplace(service, empty_pool(std::move(*attributes)));
  }
  return table;
}

Result<lb::Service> Ipvs::read_service(const lb::ServiceKey& service) {
  put_service(only_request(IPVS_CMD_GET_SERVICE), service);
  const auto answer = socket_.ask(requests_);
  if (!answer) return fail(answer.error());
  auto record = parse_service_record(*answer);
  if (!record) return fail(record.error());
  return std::move(record->attributes);
}

Result<lb::Table> Ipvs::list_services() {
  only_request(IPVS_CMD_GET_SERVICE, NLM_F_DUMP);
  auto records = socket_.dump<ServiceRecord>(requests_, parse_service_record);
  if (!records) return fail(at("services", records.error()));
  lb::Table table;
  for (ServiceRecord& record : *records) {
    if (!record.key) continue;
    const lb::ServiceKey key = *record.key;
    table.emplace(key, empty_pool(std::move(record.attributes)));
  }
  return table;
}

Result<void> Ipvs::list_destinations(const lb::ServiceKey& service, lb::Pool& pool) {
  put_service(only_request(IPVS_CMD_GET_DEST, NLM_F_DUMP), service);
  const auto destinations =
      socket_.dump<lb::ListedDestination>(requests_, [&](ByteView attributes) {
        return parse_destination_record(attributes, lb::family(service));
      });
  if (!destinations) return fail(destinations.error());
  for (const lb::ListedDestination& destination : *destinations) {
    pool.destinations.insert_or_assign(destination.endpoint, destination);
  }
  return {};
}

lb::KernelSettings Ipvs::settings() {
  return read_ipvs_settings();
}

std::vector<lb::Failure> Ipvs::apply(std::span<const lb::Change> changes) {
  std::vector<lb::Failure> failures;
  for (std::size_t offset = 0; offset < changes.size();) {
    const auto run = first_run(changes.subspan(offset));
    const auto present = read_present(run);
    for (std::size_t done = 0; done < run.size(); done += GenlSocket::max_batch) {
      const auto size = std::min(GenlSocket::max_batch, run.size() - done);
      apply_batch(run.subspan(done, size), present, offset + done, failures);
    }
    offset += run.size();
  }
  return failures;
}

void Ipvs::apply_batch(std::span<const lb::Change> changes, const Result<Present>& present,
                       std::size_t offset, std::vector<lb::Failure>& failures) {
  requests_.clear();
  std::map<std::size_t, Error> failed;
  std::vector<std::size_t> sent;
  for (std::size_t index = 0; index < changes.size(); ++index) {
    const auto added = present ? add_write(changes[index], *present) : fail(present.error());
    if (!added) failed.emplace(index, added.error());
    if (added && *added) sent.push_back(index);
  }
  if (!sent.empty()) {
    for (auto& [request, error] : socket_.write(requests_))
      failed.emplace(sent[request], std::move(error));
  }
  for (auto& [index, error] : failed)
    failures.push_back({offset + index, explained(changes[index], std::move(error))});
}

Result<Ipvs::Present> Ipvs::read_present(std::span<const lb::Change> changes) {
  Present present;
  const lb::ServiceKey& service = changes.front().service;
  const auto any = [&changes](auto wanted) {
    return std::any_of(changes.begin(), changes.end(), wanted);
  };
  if (any([](const auto& change) { return change.action == lb::Action::set_service; })) {
    auto read = read_service(service);
    if (!read) return fail(not_read(read.error()));
    present.service = std::move(*read);
  }
  if (any(writes_what_exists)) {
    if (const auto read = read_destinations(changes, present); !read) return fail(read.error());
  }
  return present;
}

Result<void> Ipvs::read_destinations(std::span<const lb::Change> changes, Present& present) {
  const lb::ServiceKey& service = changes.front().service;
  auto& destinations = present.destinations;
  for (const lb::Change& change : changes) {
    if (writes_what_exists(change)) destinations[change.destination.endpoint];
  }
  auto found = destinations.end();
  const auto wanted = [&](const Endpoint& endpoint) {
    found = destinations.find(endpoint);
    return found != destinations.end();
  };
  using Nothing = std::monostate;
  put_service(only_request(IPVS_CMD_GET_DEST, NLM_F_DUMP), service);
  const auto all = socket_.dump<Nothing>(requests_, [&](ByteView record) -> Result<Nothing> {
    auto parsed = parse_present_destination(record, lb::family(service), wanted);
    if (!parsed) return fail(parsed.error());
    if (*parsed) found->second = std::move(*parsed);
    return Nothing{};
  });
  if (!all) return fail(not_read(all.error()));
  if (!all->empty()) return {};
  // An unknown service is dumped as one without destinations.
  const auto exists = read_service(service);
  return exists ? Result<void>() : fail(not_read(exists.error()));
}

// Adds the request for the change, unless there is nothing to write (false).
Result<bool> Ipvs::add_write(const lb::Change& change, const Present& present) {
  switch (change.action) {
    case lb::Action::set_destination:
    case lb::Action::remove_destination: return add_destination_write(change, present);
    case lb::Action::set_service: {
      const lb::Service rebased = lb::rebased(change, *present.service);
      if (rebased == *present.service) return false;
      put_service(add_request(IPVS_CMD_SET_SERVICE), change.service, rebased);
      return true;
    }
    case lb::Action::add_service:
      put_service(add_request(IPVS_CMD_NEW_SERVICE), change.service, change.attributes);
      return true;
    case lb::Action::add_destination: {
      nlmsghdr& request = add_request(IPVS_CMD_NEW_DEST);
      put_service(request, change.service);
      put_destination(request, change.destination);
      return true;
    }
    case lb::Action::remove_service:
      put_service(add_request(IPVS_CMD_DEL_SERVICE), change.service);
      return true;
    case lb::Action::repair_service: return false;  // the kernel leads by the weights themselves
  }
  return false;
}

Result<bool> Ipvs::add_destination_write(const lb::Change& change, const Present& present) {
  const auto& found = present.destinations.at(change.destination.endpoint);
  if (!found) return fail(std::errc::no_such_file_or_directory, "");
  const lb::ListedDestination& now = found->destination;
  if (!lb::still_follows(change, now)) {
    return fail(std::errc::operation_canceled,
                fmt::format("not written, because another program has changed it meanwhile: it has "
                            "weight {} and {} connections",
                            now.weight, now.observed.connections));
  }
  const bool removes = change.action == lb::Action::remove_destination;
  nlmsghdr& request = add_request(removes ? IPVS_CMD_DEL_DEST : IPVS_CMD_SET_DEST);
  put_service(request, change.service);
  if (removes) {
    put_destination_key(request, now.endpoint);
  } else {
    const lb::Destination rebased = lb::rebased(change, now);
    put_changed_destination(request, *found, rebased.weight, rebased.forward);
  }
  return true;
}

nlmsghdr& Ipvs::add_request(std::uint8_t command, std::uint16_t flags) {
  return requests_.add(family_, IPVS_GENL_VERSION, command, flags);
}

nlmsghdr& Ipvs::only_request(std::uint8_t command, std::uint16_t flags) {
  requests_.clear();
  return add_request(command, flags);
}

}  // namespace saspd::netlink
