#include "netlink/ipvs.hpp"

#include <linux/ip_vs.h>
#include <linux/netlink.h>

#include <algorithm>

#include <fmt/format.h>

#include "netlink/ipvs_codec.hpp"

namespace saspd::netlink {
namespace {

// From this many services on, one dump of all is cheaper than a question for each.
constexpr std::size_t dump_from = 16;

lb::Pool empty_pool(ServiceRecord record) {
  return {std::move(record.attributes), {}};
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
  if (error.code == std::errc::file_exists) error.detail = "somebody else has added it";
  if (error.code == std::errc::invalid_argument && change.action == lb::Action::add_destination &&
      change.destination.endpoint.address.family() != lb::family(change.service)) {
    means("a destination of the other address family must be tunnelled, forward=tunnel");
  }
  return at(change.text(), std::move(error));
}

std::uint8_t command_of(lb::Action action) {
  switch (action) {
    case lb::Action::add_service: return IPVS_CMD_NEW_SERVICE;
    case lb::Action::set_service: return IPVS_CMD_SET_SERVICE;
    case lb::Action::add_destination: return IPVS_CMD_NEW_DEST;
    case lb::Action::set_weight: return IPVS_CMD_SET_DEST;
    case lb::Action::remove_destination: return IPVS_CMD_DEL_DEST;
    case lb::Action::remove_service: return IPVS_CMD_DEL_SERVICE;
  }
  return IPVS_CMD_UNSPEC;
}

}  // namespace

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
        "not permitted to use IPVS; CAP_NET_ADMIN is needed, in the initial user namespace");
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
    put_service(only_request(IPVS_CMD_GET_SERVICE), service);
    const auto answer = socket_.ask(requests_);
    if (!answer && answer.error().code == std::errc::no_such_process) continue;
    if (!answer) return fail(at(lb::text(service), answer.error()));
    auto record = parse_service_record(*answer);
    if (!record) return fail(at(lb::text(service), record.error()));
    table.emplace(service, empty_pool(std::move(*record)));
  }
  return table;
}

Result<lb::Table> Ipvs::list_services() {
  only_request(IPVS_CMD_GET_SERVICE, NLM_F_DUMP);
  auto records = socket_.dump<ServiceRecord>(requests_, parse_service_record);
  if (!records) return fail(at("services", records.error()));
  lb::Table table;
  for (ServiceRecord& record : *records) {
    if (!record.key) continue;
    const lb::ServiceKey key = *record.key;
    table.emplace(key, empty_pool(std::move(record)));
  }
  return table;
}

Result<void> Ipvs::list_destinations(const lb::ServiceKey& service, lb::Pool& pool) {
  put_service(only_request(IPVS_CMD_GET_DEST, NLM_F_DUMP), service);
  const auto destinations = socket_.dump<lb::Destination>(requests_, [&](ByteView attributes) {
    return parse_destination_record(attributes, lb::family(service));
  });
  if (!destinations) return fail(destinations.error());
  for (const lb::Destination& destination : *destinations) {
    pool.destinations.insert_or_assign(destination.endpoint, destination);
  }
  return {};
}

std::vector<lb::Failure> Ipvs::apply(std::span<const lb::Change> changes) {
  std::vector<lb::Failure> failures;
  for (std::size_t offset = 0; offset < changes.size(); offset += GenlSocket::max_batch) {
    const auto size = std::min(GenlSocket::max_batch, changes.size() - offset);
    apply_batch(changes.subspan(offset, size), offset, failures);
  }
  return failures;
}

void Ipvs::apply_batch(std::span<const lb::Change> changes, std::size_t offset,
                       std::vector<lb::Failure>& failures) {
  requests_.clear();
  for (const lb::Change& change : changes)
    add_write(change);
  for (auto& [index, error] : socket_.write(requests_)) {
    failures.push_back({offset + index, explained(changes[index], std::move(error))});
  }
}

void Ipvs::add_write(const lb::Change& change) {
  nlmsghdr& request = add_request(command_of(change.action));
  switch (change.action) {
    case lb::Action::add_service:
    case lb::Action::set_service: return put_service(request, change.service, change.attributes);
    case lb::Action::add_destination:
    case lb::Action::set_weight:
      put_service(request, change.service);
      return put_destination(request, change.destination);
    case lb::Action::remove_destination:
      put_service(request, change.service);
      return put_destination_key(request, change.destination.endpoint);
    case lb::Action::remove_service: return put_service(request, change.service);
  }
}

nlmsghdr& Ipvs::add_request(std::uint8_t command, std::uint16_t flags) {
  return requests_.add(family_, IPVS_GENL_VERSION, command, flags);
}

nlmsghdr& Ipvs::only_request(std::uint8_t command, std::uint16_t flags) {
  requests_.clear();
  return add_request(command, flags);
}

}  // namespace saspd::netlink
