#include "bpf/xdp.hpp"

#include <net/if.h>
#include <sys/utsname.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <utility>

#include <fmt/format.h>

#include "bpf/maglev.hpp"

namespace saspd::bpf {
namespace {

lb_address address_bytes(const IpAddress& address) {
  lb_address bytes{};
  std::copy(address.bytes().begin(), address.bytes().end(), std::begin(bytes.bytes));
  return bytes;
}

std::uint8_t family_number(const IpAddress& address) {
  return address.family() == Family::v4 ? LB_IPV4 : LB_IPV6;
}

IpAddress ip_address(const lb_address& address, std::uint8_t family) {
  const std::span<const std::uint8_t, 16> bytes(address.bytes);
  return family == LB_IPV4 ? IpAddress::v4(bytes.first<4>()) : IpAddress::v6(bytes);
}

std::optional<lb::ServiceKey> service_of(const lb_service_key& key) {
  for (const auto protocol : {lb::Protocol::tcp, lb::Protocol::udp}) {
    if (key.protocol != static_cast<std::uint8_t>(protocol)) continue;
    return lb::VirtualEndpoint{protocol, {ip_address(key.address, key.family), be16toh(key.port)}};
  }
  return std::nullopt;
}

const lb::VirtualEndpoint& endpoint_of(const lb::ServiceKey& key) {
  return std::get<lb::VirtualEndpoint>(key);
}

bool is_resolved(const lb_backend& backend) {
  return (backend.flags & LB_BACKEND_RESOLVED) != 0;
}

lb::Forward forward_of(const lb_service& service) {
  return service.forward == LB_FORWARD_IPIP ? lb::Forward::tunnel : lb::Forward::route;
}

std::uint8_t forward_number(lb::Forward forward) {
  return forward == lb::Forward::tunnel ? LB_FORWARD_IPIP : LB_FORWARD_L2;
}

std::uint8_t flags_of(const lb::Service& attributes) {
  std::uint8_t flags = 0;
  if ((attributes.flags & lb::service_flag::stateless) != 0) flags |= LB_SERVICE_STATELESS;
  if (attributes.scheduler == "independent") flags |= LB_SERVICE_INDEPENDENT;
  return flags;
}

std::string mac_text(const std::array<std::uint8_t, 6>& mac) {
  return fmt::format("{:02x}:{:02x}:{:02x}:{:02x}:{:02x}:{:02x}", mac[0], mac[1], mac[2], mac[3],
                     mac[4], mac[5]);
}

std::string interface_name(std::uint32_t index) {
  std::array<char, IF_NAMESIZE> name{};
  if (if_indextoname(index, name.data()) == nullptr) return fmt::format("interface {}", index);
  return name.data();
}

}  // namespace

lb_address_key address_key(const IpAddress& address) {
  return {address_bytes(address), family_number(address)};
}

lb_service_key service_key(const lb::VirtualEndpoint& service) {
  return {address_bytes(service.endpoint.address), htobe16(service.endpoint.port),
          static_cast<std::uint8_t>(service.protocol), family_number(service.endpoint.address)};
}

lb_flow_key flow_key(lb::Protocol protocol, const Endpoint& source, const Endpoint& destination) {
  return {address_bytes(source.address),
          address_bytes(destination.address),
          htobe16(source.port),
          htobe16(destination.port),
          static_cast<std::uint8_t>(protocol),
          family_number(source.address),
          0};
}

// --- opening

bool maps_want_capability() {
  utsname kernel{};
  std::pair version{0, 0};
  if (::uname(&kernel) != 0) return true;
  std::sscanf(kernel.release, "%d.%d", &version.first, &version.second);  // NOLINT: else 0.0
  return version < std::pair{5, 19};
}

Result<std::unique_ptr<Xdp>> Xdp::open(std::string pins, Now now) {
  std::unique_ptr<Xdp> xdp(new Xdp(std::move(pins), std::move(now)));
  if (auto opened = xdp->open_maps(); !opened) return fail(opened.error());
  if (auto read = xdp->read(); !read) return fail(read.error());
  return xdp;
}

Result<void> Xdp::open_maps() {
  auto settings = Map<std::uint32_t, lb_settings>::open(pins_ + "/settings");
  if (!settings) {
    const auto& error = settings.error();
    if (error.code == std::errc::no_such_file_or_directory) {
      return fail(error.code, fmt::format("no XDP program is attached ({} is not there); attach it "
                                          "as root: saspd --attach --interface IF",
                                          pins_));
    }
    if (error.code == std::errc::permission_denied ||
        error.code == std::errc::operation_not_permitted) {
      return fail(std::errc::permission_denied,
                  fmt::format("{}: the maps belong to another user; attach again as root with "
                              "--user naming this one",
                              error.detail));
    }
    if (error.code != std::errc::invalid_argument) return fail(error);
  }
  const auto found = settings ? settings->find(0) : std::nullopt;
  if (!found || found->layout != LB_LAYOUT) {
    return fail(std::errc::not_supported,
                fmt::format("{} has maps of layout {}, this saspd writes layout {}; attach again "
                            "as root: saspd --attach --replace (known flows are lost)",
                            pins_, found ? std::to_string(found->layout) : "unknown", LB_LAYOUT));
  }
  auto services = Map<lb_service_key, lb_service>::open(pins_ + "/services");
  auto tables_in_use = Map<std::uint32_t, std::uint32_t>::open(pins_ + "/tables_in_use");
  auto addresses = Map<lb_address_key, std::uint32_t>::open(pins_ + "/addresses");
  auto tables = Map<std::uint32_t, lb_table>::open(pins_ + "/tables");
  auto backends = Map<std::uint32_t, lb_backend>::open(pins_ + "/backends");
  auto devices = Map<std::uint32_t, lb_devices>::open(pins_ + "/devices");
  auto flows = Map<lb_flow_key, lb_flow>::open(pins_ + "/flows");
  auto backend_counters = PerCpuArray<lb_counters>::open(pins_ + "/backend_counters");
  auto service_counters = PerCpuArray<lb_counters>::open(pins_ + "/service_counters");
  auto reasons = PerCpuArray<std::uint64_t>::open(pins_ + "/reasons");
  if (!services) return fail(services.error());
  if (!tables_in_use) return fail(tables_in_use.error());
  if (!addresses) return fail(addresses.error());
  if (!tables) return fail(tables.error());
  if (!backends) return fail(backends.error());
  if (!devices) return fail(devices.error());
  if (!flows) return fail(flows.error());
  if (!backend_counters) return fail(backend_counters.error());
  if (!service_counters) return fail(service_counters.error());
  if (!reasons) return fail(reasons.error());
  maps_.emplace(Maps{std::move(*services), std::move(*tables_in_use), std::move(*addresses),
                     std::move(*tables), std::move(*backends), std::move(*devices),
                     std::move(*flows), std::move(*backend_counters), std::move(*service_counters),
                     std::move(*reasons), std::move(*settings)});
  settings_ = *found;
  return read_attached();
}

Result<void> Xdp::read_attached() {
  const auto devices = read_devices(maps_->devices.descriptor());
  if (!devices) return fail(devices.error());
  attached_ = attachments(*devices);
  return {};
}

// Somebody has attached anew, and our maps are those of a program that is gone.
bool Xdp::pins_replaced() const {
  const auto settings = Map<std::uint32_t, lb_settings>::open(pins_ + "/settings");
  return !settings || settings->id() != maps_->settings.id();
}

// --- reading

Result<void> Xdp::read() {
  services_.clear();
  auto backends = maps_->backends.values();
  if (!backends) return fail(backends.error());
  backends_ = std::move(*backends);
  const auto in_use = maps_->tables_in_use.values();
  if (!in_use) return fail(in_use.error());
  std::map<std::uint32_t, std::pair<Service*, std::uint16_t>> by_number;
  for (const auto& key : maps_->services.keys()) {
    const auto value = maps_->services.find(key);
    const auto name = service_of(key);
    if (!value || !name || value->number >= in_use->size()) continue;
    Service& service = services_[*name];
    service.value = *value;
    service.table = (*in_use)[value->number];
    service.published = true;
    by_number[value->number] = {&service, be16toh(key.port)};
  }
  for (std::uint32_t number = 1; number < backends_.size(); ++number) {
    const lb_backend& backend = backends_[number];
    if ((backend.flags & LB_BACKEND_PRESENT) == 0) continue;
    const auto service = by_number.find(backend.service);
    if (service == by_number.end()) continue;
    const auto& [of, port] = service->second;
    of->backends[{ip_address(backend.address, backend.family), port}] = number;
  }
  return {};
}

Result<lb::Table> Xdp::list(std::span<const lb::ServiceKey> services) {
  auto table = list_all();
  if (table) lb::keep_only(services, *table);
  return table;
}

Result<lb::Table> Xdp::list_all() {
  if (pins_replaced()) {
    if (auto opened = open_maps(); !opened) return fail(opened.error());
  }
  if (auto read = this->read(); !read) return fail(read.error());
  lb::Table table;
  for (const auto& [key, service] : services_)
    table[key] = pool(service);
  return table;
}

lb::Pool Xdp::pool(const Service& service) {
  lb::Pool pool;
  const bool independent = (service.value.flags & LB_SERVICE_INDEPENDENT) != 0;
  pool.scheduler = independent ? "independent" : "minimal";
  if ((service.value.flags & LB_SERVICE_STATELESS) != 0) {
    pool.flags |= lb::service_flag::stateless;
  }
  for (const auto& [endpoint, number] : service.backends) {
    lb::Destination& destination = pool.destinations[endpoint];
    destination.endpoint = endpoint;
    destination.weight = backends_[number].weight;
    destination.forward = forward_of(service.value);
    destination.connections = connections(number);
  }
  return pool;
}

std::uint32_t Xdp::connections(std::uint32_t number) {
  std::uint64_t packets = 0;
  for (const auto& counters : maps_->backend_counters.find(number))
    packets += counters.packets;
  const TimePoint now = now_();
  const auto [entry, is_new] = activity_.try_emplace(number, Activity{packets, now});
  Activity& activity = entry->second;
  if (activity.packets != packets) activity = {packets, now};
  return now - activity.since < quiet_time ? 1 : 0;
}

// --- writing

std::vector<lb::Failure> Xdp::apply(std::span<const lb::Change> changes) {
  std::vector<lb::Failure> failures;
  const auto all_fail = [&](const Error& error) {
    for (std::size_t i = 0; i < changes.size(); ++i)
      failures.push_back({i, at(changes[i].text(), error)});
  };
  if (pins_replaced()) {
    all_fail(fail(std::errc::no_such_file_or_directory, "the XDP program was attached anew"));
    return failures;
  }
  if (const auto room = check_room(changes); !room) {
    all_fail(room.error());
    return failures;
  }
  std::map<lb::ServiceKey, bool> touched;  // true: it is removed
  for (const auto& change : changes) {
    take(change);
    bool& removed = touched[change.service];
    removed = removed || change.action == lb::Action::remove_service;
  }
  std::map<lb::ServiceKey, Error> failed;
  for (const auto& [key, removed] : touched) {
    const auto written = removed ? remove(key) : publish(key);
    if (!written) failed.emplace(key, written.error());
  }
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const auto error = failed.find(changes[i].service);
    if (error != failed.end()) failures.push_back({i, at(changes[i].text(), error->second)});
  }
  return failures;
}

// Removed ones make room only after the new table is in place, so they do not count.
Result<void> Xdp::check_room(std::span<const lb::Change> changes) const {
  std::size_t services = services_.size();
  std::size_t backends = 0;
  for (const auto& backend : backends_)
    backends += (backend.flags & LB_BACKEND_PRESENT) != 0 ? 1 : 0;
  for (const auto& change : changes) {
    if (change.action == lb::Action::add_service) ++services;
    if (change.action == lb::Action::add_destination) ++backends;
  }
  const auto refuse = [](std::string_view what, std::size_t count, std::size_t most,
                         std::string_view flag) {
    return fail(std::errc::no_space_on_device,
                fmt::format("{} {} do not fit the maps, which hold {}; nothing was changed. Attach "
                            "bigger ones: saspd --attach --replace {} N",
                            count, what, most, flag));
  };
  if (services > settings_.max_services) {
    return refuse("services", services, settings_.max_services, "--max-services");
  }
  const std::size_t most = backends_.size() - 1;  // number 0 is nobody
  if (backends > most) return refuse("backends", backends, most, "--max-backends");
  return {};
}

void Xdp::take(const lb::Change& change) {
  const auto known = services_.find(change.service);
  if (change.action == lb::Action::add_service)
    return add_service(change.service, change.attributes);
  if (known == services_.end()) return;
  Service& service = known->second;
  const Endpoint& endpoint = change.destination.endpoint;
  const auto number = service.backends.find(endpoint);
  switch (change.action) {
    case lb::Action::set_service: service.value.flags = flags_of(change.attributes); break;
    case lb::Action::add_destination:
      if (number == service.backends.end()) add_destination(service, change.destination);
      break;
    case lb::Action::set_weight:
      if (number == service.backends.end()) break;
      backends_[number->second].weight = change.destination.weight;
      service.value.forward = forward_number(change.destination.forward);
      break;
    case lb::Action::remove_destination:
      if (number == service.backends.end()) break;
      service.leaving.push_back(number->second);
      service.backends.erase(number);
      break;
    default: break;
  }
}

void Xdp::add_service(const lb::ServiceKey& key, const lb::Service& attributes) {
  std::set<std::uint32_t> numbers;
  for (const auto& [other, service] : services_)
    numbers.insert(service.value.number);
  std::uint32_t free = 0;
  while (numbers.contains(free))
    ++free;
  Service& service = services_[key];
  service.value = {{}, free, LB_FORWARD_L2, flags_of(attributes), 0};
}

void Xdp::add_destination(Service& service, const lb::Destination& destination) {
  const std::uint32_t number = last_number_ = free_number();
  lb_backend& backend = backends_[number];
  const auto generation = static_cast<std::uint16_t>(backend.generation + 1);
  backend = {};
  backend.address = address_bytes(destination.endpoint.address);
  backend.family = family_number(destination.endpoint.address);
  backend.service = service.value.number;
  backend.weight = destination.weight;
  backend.generation = generation;
  backend.flags = LB_BACKEND_PRESENT;
  set_next_hop(backend);
  service.backends[destination.endpoint] = number;
  service.value.forward = forward_number(destination.forward);
  (void)maps_->backend_counters.clear(number);
  activity_.erase(number);
}

// The one that was given the longest ago: its generation comes round as late as can be.
std::uint32_t Xdp::free_number() const {
  const auto count = static_cast<std::uint32_t>(backends_.size());
  std::uint32_t number = last_number_;
  do {
    number = number + 1 < count ? number + 1 : 1;
  } while ((backends_[number].flags & LB_BACKEND_PRESENT) != 0);
  return number;
}

void Xdp::set_next_hop(lb_backend& backend) const {
  const auto known = next_hops_.find(ip_address(backend.address, backend.family));
  backend.flags &= static_cast<std::uint8_t>(~LB_BACKEND_RESOLVED);
  if (known == next_hops_.end()) return;
  const NextHop& next_hop = known->second;
  backend.flags |= LB_BACKEND_RESOLVED;
  backend.interface = next_hop.interface;
  backend.mtu = next_hop.mtu;
  backend.vlan = next_hop.vlan;
  std::copy(next_hop.mac.begin(), next_hop.mac.end(), std::begin(backend.next_hop));
  std::copy(next_hop.source.begin(), next_hop.source.end(), std::begin(backend.source));
}

// Backends before the table that names them, the table before the service that names it; then, when
// no packet is led to them any more, those that leave.
Result<void> Xdp::publish(const lb::ServiceKey& key) {
  const auto known = services_.find(key);
  if (known == services_.end()) {
    return fail(std::errc::no_such_process, "no such service");
  }
  Service& service = known->second;
  for (const auto& [endpoint, number] : service.backends) {
    const lb_backend& backend = backends_[number];
    const auto before = maps_->backends.find(number);
    if (before && std::memcmp(&*before, &backend, sizeof backend) == 0) continue;
    if (auto put = maps_->backends.put(number, backend); !put) return put;
  }
  if (auto written = write_table(service); !written) return written;
  const lb_service_key in_map = service_key(endpoint_of(key));
  if (!service.published) {
    (void)maps_->service_counters.clear(service.value.number);
    if (auto put = maps_->addresses.put(address_key(endpoint_of(key).endpoint.address), 1); !put)
      return put;
  }
  if (auto put = maps_->tables_in_use.put(service.value.number, service.table); !put) return put;
  if (auto put = maps_->services.put(in_map, service.value, BPF_F_LOCK); !put) return put;
  service.published = true;
  return free_leaving(service);
}

Result<void> Xdp::write_table(Service& service) {
  std::vector<Member> members;
  const bool any_reachable =
      std::any_of(service.backends.begin(), service.backends.end(), [&](const auto& entry) {
        return backends_[entry.second].weight > 0 && is_resolved(backends_[entry.second]);
      });
  for (const auto& [endpoint, number] : service.backends) {
    const lb_backend& backend = backends_[number];
    const bool counts = !any_reachable || is_resolved(backend);
    members.push_back({endpoint, static_cast<std::uint16_t>(number), counts ? backend.weight : 0});
  }
  const auto current = maps_->tables.find(2 * service.value.number + service.table);
  if (!current) return fail(std::errc::io_error, "tables");
  const std::span<const std::uint16_t> previous(current->backend, service.published ? LB_SLOTS : 0);
  const auto slots = (service.value.flags & LB_SERVICE_INDEPENDENT) != 0
                         ? independent(members)
                         : minimal(previous, members);
  if (std::equal(slots.begin(), slots.end(), previous.begin(), previous.end())) return {};
  lb_table table{};
  std::copy(slots.begin(), slots.end(), std::begin(table.backend));
  const std::uint32_t aside = service.table ^ 1U;
  if (auto put = maps_->tables.put(2 * service.value.number + aside, table); !put) return put;
  service.table = aside;
  return {};
}

Result<void> Xdp::remove(const lb::ServiceKey& key) {
  const auto known = services_.find(key);
  if (known == services_.end()) return {};
  Service& service = known->second;
  const lb_service_key in_map = service_key(endpoint_of(key));
  if (auto erased = maps_->services.erase(in_map); !erased) return erased;
  const auto& address = endpoint_of(key).endpoint.address;
  const bool last = std::none_of(services_.begin(), services_.end(), [&](const auto& other) {
    return other.first != key && endpoint_of(other.first).endpoint.address == address;
  });
  if (last) {
    if (auto erased = maps_->addresses.erase(address_key(address)); !erased) return erased;
  }
  for (const auto& [endpoint, number] : service.backends)
    service.leaving.push_back(number);
  auto freed = free_leaving(service);
  services_.erase(known);
  return freed;
}

// Its generation stays, so that the next one to get the number is not taken for this one.
Result<void> Xdp::free_leaving(Service& service) {
  for (const std::uint32_t number : service.leaving) {
    lb_backend& backend = backends_[number];
    const auto generation = backend.generation;
    backend = {};
    backend.generation = generation;
    if (auto put = maps_->backends.put(number, backend); !put) return put;
  }
  service.leaving.clear();
  return {};
}

// --- next hops

std::set<IpAddress> Xdp::addresses() const {
  std::set<IpAddress> addresses;
  for (const auto& [key, service] : services_) {
    for (const auto& [endpoint, number] : service.backends)
      addresses.insert(endpoint.address);
  }
  return addresses;
}

Result<void> Xdp::set_next_hops(const std::map<IpAddress, NextHop>& next_hops) {
  next_hops_ = next_hops;
  if (pins_replaced()) return {};  // the next listing opens the new ones
  for (auto& [key, service] : services_) {
    bool changed = false;
    for (const auto& [endpoint, number] : service.backends) {
      const lb_backend before = backends_[number];
      set_next_hop(backends_[number]);
      changed = changed || std::memcmp(&before, &backends_[number], sizeof before) != 0;
    }
    if (!changed) continue;
    if (auto published = publish(key); !published) return published;
  }
  return {};
}

Result<void> Xdp::set_devices(const netlink::Links& links) {
  if (pins_replaced()) return {};
  if (auto read = read_attached(); !read) return read;
  return write_devices(maps_->devices.descriptor(), links, attached_);
}

// --- looking

std::map<Endpoint, lb::DestinationState> Xdp::states(const lb::ServiceKey& key) {
  std::map<Endpoint, lb::DestinationState> states;
  const auto known = services_.find(key);
  if (known == services_.end()) return states;
  const auto table = maps_->tables.find(2 * known->second.value.number + known->second.table);
  std::map<std::uint32_t, std::uint32_t> slots;
  for (std::size_t i = 0; table && i < LB_SLOTS; ++i)
    ++slots[table->backend[i]];
  for (const auto& [endpoint, number] : known->second.backends) {
    lb::DestinationState& state = states[endpoint];
    state.slots = slots[number];
    state.reachable = is_resolved(backends_[number]);
    state.next_hop = next_hop_text(endpoint.address);
    for (const auto& counters : maps_->backend_counters.find(number)) {
      state.packets += counters.packets;
      state.bytes += counters.bytes;
      state.flows += counters.flows;
    }
  }
  return states;
}

Result<lb::Trace> Xdp::trace(lb::Protocol protocol, const Endpoint& source,
                             const Endpoint& destination) {
  lb::Trace trace;
  if (source.address.family() != destination.address.family()) {
    return fail(std::errc::invalid_argument, "source and destination are of different families");
  }
  const auto known = services_.find(lb::VirtualEndpoint{protocol, destination});
  if (known == services_.end()) return trace;
  const Service& service = known->second;
  trace.is_service = true;
  trace.forward = forward_of(service.value);
  const lb_flow_key key = flow_key(protocol, source, destination);
  trace.slot = lb_slot(&key, settings_.seed);
  const auto table = maps_->tables.find(2 * service.value.number + service.table);
  std::uint32_t number = table ? table->backend[trace.slot] : 0;
  if (const auto flow = known_flow(service, key)) {
    trace.known_flow = true;
    number = *flow;
  }
  for (const auto& [endpoint, candidate] : service.backends) {
    if (candidate != number) continue;
    trace.destination = endpoint;
    trace.reachable = is_resolved(backends_[number]);
    trace.next_hop = next_hop_text(endpoint.address);
  }
  return trace;
}

// The backend that a flow is bound to, by the rules of the program.
std::optional<std::uint32_t> Xdp::known_flow(const Service& service, const lb_flow_key& key) const {
  if ((service.value.flags & LB_SERVICE_STATELESS) != 0) return std::nullopt;
  const auto flow = maps_->flows.find(key);
  if (!flow || flow->backend >= backends_.size()) return std::nullopt;
  const lb_backend& backend = backends_[flow->backend];
  const bool valid = (backend.flags & LB_BACKEND_PRESENT) != 0 &&
                     backend.generation == flow->generation &&
                     backend.service == service.value.number;
  return valid ? std::optional<std::uint32_t>(flow->backend) : std::nullopt;
}

std::string Xdp::next_hop_text(const IpAddress& address) const {
  const auto known = next_hops_.find(address);
  if (known == next_hops_.end()) return {};
  return fmt::format("{} on {}", mac_text(known->second.mac),
                     interface_name(known->second.interface));
}

std::vector<std::pair<std::string, std::uint64_t>> Xdp::packet_counters() {
#define LB_REASON(reason, name) std::string_view(name),
  static constexpr std::array names{LB_REASON_LIST(LB_REASON)};
#undef LB_REASON
  std::vector<std::pair<std::string, std::uint64_t>> counters;
  for (std::uint32_t reason = 0; reason < LB_REASONS; ++reason) {
    std::uint64_t sum = 0;
    for (const std::uint64_t count : maps_->reasons.find(reason))
      sum += count;
    counters.emplace_back(names[reason], sum);
  }
  return counters;
}

}  // namespace saspd::bpf
