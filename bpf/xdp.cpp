// SPDX-License-Identifier: Apache-2.0

#include "bpf/xdp.hpp"

#include <algorithm>
#include <cstring>
#include <utility>

#include "bpf/whereabouts.hpp"

namespace saspd::bpf {
namespace {

const lb::VirtualEndpoint& endpoint_of(const lb::ServiceKey& key) {
  return std::get<lb::VirtualEndpoint>(key);
}

// All fields of these are named and the unnamed are none, so that bytes can be compared.
template <class T>
bool equal(const T& a, const T& b) {
  return std::memcmp(&a, &b, sizeof a) == 0;
}

// A reused number; its generation distinguishes old flows from new ones.
lb_backend freed(const lb_backend& backend) {
  lb_backend value{};
  value.generation = backend.generation;
  return value;
}

bool is_independent(const lb_service& service) {
  return (service.flags & LB_SERVICE_INDEPENDENT) != 0;
}

SlotTable build(const lb_service& service, std::span<const std::uint16_t> previous,
                std::span<const Member> members) {
  return is_independent(service) ? independent(members) : minimal(previous, members);
}

std::span<const std::uint16_t> slots_of(const lb_table& table) {
  return std::span(table.backend).first(LB_SLOTS);
}

}  // namespace

Result<std::unique_ptr<Xdp>> Xdp::open(std::string pins, Now now, Access access) {
  std::unique_ptr<Xdp> xdp(new Xdp(std::move(pins), std::move(now), access));
  if (auto opened = xdp->open_maps(); !opened) return fail(opened.error());
  if (auto read = xdp->read(); !read) return fail(read.error());
  return xdp;
}

Result<void> Xdp::open_maps() {
  auto maps = XdpMaps::open(pins_, access_ == Access::write ? &lock_ : nullptr);
  if (!maps) return fail(maps.error());
  maps_.emplace(std::move(*maps));
  followed_.clear();
  if (const auto read = read_attached(); !read) return fail(read.error());
  return {};
}

Result<DeviceTable> Xdp::read_attached() {
  auto devices = read_devices(maps_->devices.descriptor());
  if (!devices) return devices;
  attached_ = attachments(*devices);
  // What the map has lost is still to be seen at the interfaces.
  add_recorded(pins_, attached_);
  return devices;
}

// The program was attached again, and our maps are those of a program that is gone.
bool Xdp::pins_replaced() const {
  if (maps_->replaced(pins_)) return true;
  return access_ == Access::write && (!lock_ || !lock_->is_of(pins_));
}

// --- reading

Result<void> Xdp::read() {
  auto contents = maps_->read();
  if (!contents) return fail(contents.error());
  strays_ = {};
  backends_ = std::move(contents->backends);
  tables_in_use_ = std::move(contents->tables_in_use);
  take_services(*contents);
  take_backends();
  take_addresses(*contents);
  return {};
}

// Two services of one number cannot both be meant.
void Xdp::take_services(const Contents& contents) {
  services_.clear();
  std::set<std::uint32_t> numbers;
  for (const auto& [key, value] : contents.services) {
    const auto name = service_of(key);
    if (!name || value.number >= tables_in_use_.size() || !numbers.insert(value.number).second) {
      strays_.services.push_back(key);
      continue;
    }
    Service& service = services_[*name];
    service.value = value;
    service.table = tables_in_use_[value.number];
  }
}

void Xdp::take_backends() {
  std::map<std::uint32_t, std::pair<Service*, std::uint16_t>> by_number;
  for (auto& [key, service] : services_)
    by_number[service.value.number] = {&service, endpoint_of(key).endpoint.port};
  for (std::uint32_t number = 1; number < backends_.size(); ++number) {
    const lb_backend& backend = backends_[number];
    if (!is_present(backend)) continue;
    const auto service = by_number.find(backend.service);
    const bool taken =
        service != by_number.end() &&
        service->second.first->backends
            .try_emplace({ip_address(backend.address, backend.family), service->second.second},
                         number)
            .second;
    if (!taken) strays_.backends.push_back(number);
  }
}

void Xdp::take_addresses(const Contents& contents) {
  std::set<IpAddress> served;
  for (const auto& [key, service] : services_)
    served.insert(endpoint_of(key).endpoint.address);
  addresses_.clear();
  for (const auto& key : contents.addresses) {
    const IpAddress address = ip_address(key.address, static_cast<std::uint8_t>(key.family));
    if (served.contains(address) && equal(address_key(address), key))
      addresses_.insert(address);
    else
      strays_.addresses.push_back(key);
  }
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
  for (const auto& [key, service] : services_) {
    const auto intact = is_intact(key, service);
    if (!intact) return fail(intact.error());
    table[key] = pool(service);
    table[key].intact = *intact;
  }
  return table;
}

// Whether packets follow the weights and next hops. Slots already verified are recognized by their
// digest; for others, the table is built again.
Result<bool> Xdp::is_intact(const lb::ServiceKey& key, const Service& service) {
  const auto backends = backends_of(service);
  const bool entries =
      addresses_.contains(endpoint_of(key).endpoint.address) && service.table <= 1 &&
      std::all_of(backends.begin(), backends.end(),
                  [&](const auto& entry) { return equal(entry.second, backends_[entry.first]); });
  if (!entries) return false;
  if (auto got = maps_->tables.read(2 * service.value.number + service.table, *slots_); !got) {
    return fail(got.error());
  }
  const auto slots = slots_of(*slots_);
  const Followed now{digest(slots), is_independent(service.value), members(service, backends)};
  if (is_followed(key, now)) return true;
  followed_.erase(key);
  const auto wanted = build(service.value, slots, now.members);
  if (!std::equal(wanted.begin(), wanted.end(), slots.begin(), slots.end())) return false;
  followed_[key] = now;
  return true;
}

bool Xdp::is_followed(const lb::ServiceKey& key, const Followed& table) const {
  const auto before = followed_.find(key);
  return before != followed_.end() && before->second == table;
}

// The backends as they are to become, with the current next hops.
std::map<std::uint32_t, lb_backend> Xdp::backends_of(const Service& service) const {
  std::map<std::uint32_t, lb_backend> backends;
  for (const auto& [endpoint, number] : service.backends)
    backends[number] = with_next_hop(backends_[number]);
  return backends;
}

std::vector<Member> Xdp::members(const Service& service,
                                 const std::map<std::uint32_t, lb_backend>& backends) const {
  const bool any_reachable = std::any_of(backends.begin(), backends.end(), [](const auto& entry) {
    return entry.second.weight > 0 && is_resolved(entry.second);
  });
  std::vector<Member> members;
  for (const auto& [endpoint, number] : service.backends) {
    const lb_backend& backend = backends.at(number);
    const bool counts = !any_reachable || is_resolved(backend);
    members.push_back({endpoint, static_cast<std::uint16_t>(number), counts ? backend.weight : 0});
  }
  return members;
}

lb::Pool Xdp::pool(const Service& service) {
  lb::Pool pool;
  const bool independent = (service.value.flags & LB_SERVICE_INDEPENDENT) != 0;
  pool.scheduler = independent ? "independent" : "minimal";
  if ((service.value.flags & LB_SERVICE_STATELESS) != 0) {
    pool.flags |= lb::service_flag::stateless;
  }
  if ((service.value.flags & LB_SERVICE_DROP_LOST) != 0) {
    pool.flags |= lb::service_flag::drop_lost;
  }
  for (const auto& [endpoint, number] : service.backends) {
    lb::ListedDestination& destination = pool.destinations[endpoint];
    destination.endpoint = endpoint;
    destination.weight = backends_[number].weight;
    destination.forward = forward_of(service.value);
    destination.lost = (backends_[number].flags & LB_BACKEND_LOST) != 0;
    destination.observed.connections = connections(number);
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

// --- the desired state

std::vector<lb::Failure> Xdp::apply(std::span<const lb::Change> changes) {
  std::vector<lb::Failure> failures;
  if (pins_replaced()) {
    const auto error =
        fail(std::errc::no_such_file_or_directory, "the XDP program was attached again");
    for (std::size_t i = 0; i < changes.size(); ++i)
      failures.push_back({i, at(changes[i].text(), error)});
    return failures;
  }
  (void)tidy();  // makes room, if it can; the next listing shows what it could not
  Drafts drafts;
  std::vector<std::optional<Error>> refused;
  for (const auto& change : changes)
    refused.push_back(draft(change, drafts));
  std::map<lb::ServiceKey, Error> failed;
  for (auto& [key, draft] : drafts.services) {
    if (drafts.removed.contains(key)) continue;
    if (auto written = publish(key, std::move(draft)); !written) {
      failed.emplace(key, written.error());
    }
  }
  for (const auto& key : drafts.removed) {
    if (auto removed = remove(key); !removed) failed.emplace(key, removed.error());
  }
  for (std::size_t i = 0; i < changes.size(); ++i) {
    const auto error = failed.find(changes[i].service);
    if (refused[i]) {
      const bool full = refused[i]->code == std::errc::no_space_on_device;
      failures.push_back({i, at(changes[i].text(), *refused[i]), full});
    } else if (error != failed.end()) {
      failures.push_back({i, at(changes[i].text(), error->second)});
    }
  }
  return failures;
}

// --- writing it

Result<void> Xdp::publish(const lb::ServiceKey& key, Draft draft) {
  auto written = write(key, draft);
  if (written) {
    services_[key] = std::move(draft.service);
    return {};
  }
  followed_.erase(key);
  if (const auto known = services_.find(key); known != services_.end()) known->second.known = false;
  return written;
}

// Backends before the table that names them, the table before it is put in use, and all of it
// before the entry of a new service; then, when no packet is led to them any more, those that
// leave.
Result<void> Xdp::write(const lb::ServiceKey& key, Draft& draft) {
  for (const std::uint32_t number : draft.joining) {
    if (auto cleared = maps_->backend_counters.clear(number); !cleared) return cleared;
    activity_.erase(number);
  }
  for (const auto& [number, backend] : draft.backends) {
    if (auto put = write_backend(number, backend); !put) return put;
  }
  if (auto put = write_table(key, draft); !put) return put;
  if (auto put = write_entry(key, draft); !put) return put;
  return free(draft.leaving);
}

Result<void> Xdp::write_backend(std::uint32_t number, const lb_backend& backend) {
  if (equal(backend, backends_[number])) return {};
  if (auto put = maps_->backends.put(number, backend); !put) return put;
  backends_[number] = backend;
  return {};
}

Result<void> Xdp::write_table(const lb::ServiceKey& key, Draft& draft) {
  const std::uint32_t number = draft.service.value.number;
  Followed table{0, is_independent(draft.service.value), members(draft.service, draft.backends)};
  const bool readable = !draft.is_new && draft.service.table <= 1;
  std::span<const std::uint16_t> previous;
  if (readable) {
    if (auto got = maps_->tables.read(2 * number + draft.service.table, *slots_); !got) return got;
    previous = slots_of(*slots_);
    table.slots = digest(previous);
    // A next hop has changed, or a flag, and the table is as it was.
    const bool in_use = draft.service.table == tables_in_use_[number];
    if (in_use && is_followed(key, table)) return {};
  }
  const auto slots = build(draft.service.value, previous, table.members);
  if (!std::equal(slots.begin(), slots.end(), previous.begin(), previous.end())) {
    const std::uint32_t aside = readable ? draft.service.table ^ 1U : 0;
    *slots_ = {};
    std::copy(slots.begin(), slots.end(), std::begin(slots_->backend));
    if (auto put = maps_->tables.put(2 * number + aside, *slots_); !put) return put;
    draft.service.table = aside;
  }
  if (draft.service.table != tables_in_use_[number]) {
    if (auto put = maps_->tables_in_use.put(number, draft.service.table); !put) return put;
    tables_in_use_[number] = draft.service.table;
  }
  table.slots = digest(slots);
  followed_[key] = std::move(table);
  return {};
}

Result<void> Xdp::write_entry(const lb::ServiceKey& key, const Draft& draft) {
  const IpAddress& address = endpoint_of(key).endpoint.address;
  const auto before = services_.find(key);
  if (draft.is_new) {
    if (auto zero = maps_->service_counters.clear(draft.service.value.number); !zero) return zero;
  }
  if (!addresses_.contains(address)) {
    if (auto put = maps_->addresses.put(address_key(address), 1); !put) return put;
    addresses_.insert(address);
  }
  if (before != services_.end() && equal(before->second.value, draft.service.value)) return {};
  return maps_->services.put(service_key(endpoint_of(key)), draft.service.value, BPF_F_LOCK);
}

// Cut off anywhere, what is left is a service that can be listed, or what tidy() takes away.
Result<void> Xdp::remove(const lb::ServiceKey& key) {
  const auto known = services_.find(key);
  if (known == services_.end()) return {};
  known->second.known = false;
  const auto& address = endpoint_of(key).endpoint.address;
  const bool last = std::none_of(services_.begin(), services_.end(), [&](const auto& other) {
    return other.first != key && endpoint_of(other.first).endpoint.address == address;
  });
  if (last) {
    if (auto erased = maps_->addresses.erase(address_key(address)); !erased) return erased;
    addresses_.erase(address);
  }
  if (auto gone = maps_->services.erase(service_key(endpoint_of(key))); !gone) return gone;
  std::vector<std::uint32_t> numbers;
  for (const auto& [endpoint, number] : known->second.backends)
    numbers.push_back(number);
  services_.erase(known);
  followed_.erase(key);
  return free(numbers);
}

// Its generation stays, so that the next one to get the number is not taken for this one.
Result<void> Xdp::free(const std::vector<std::uint32_t>& numbers) {
  for (const std::uint32_t number : numbers) {
    if (auto put = write_backend(number, freed(backends_[number])); !put) return put;
  }
  return {};
}

Result<void> Xdp::tidy() {
  for (const auto& key : strays_.services) {
    if (auto gone = maps_->services.erase(key); !gone) return gone;
  }
  for (const auto& key : strays_.addresses) {
    if (auto gone = maps_->addresses.erase(key); !gone) return gone;
  }
  if (auto gone = free(strays_.backends); !gone) return gone;
  strays_ = {};
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
  know_next_hops(next_hops);
  if (pins_replaced()) return {};  // the next listing opens the new ones
  Result<void> result;
  for (const auto& [key, service] : services_) {
    const auto backends = backends_of(service);
    const bool changed = std::any_of(backends.begin(), backends.end(), [&](const auto& entry) {
      return !equal(entry.second, backends_[entry.first]);
    });
    if (!changed || !service.known) continue;
    auto published = publish(key, {service, false, backends, {}, {}});
    if (!published && result) result = fail(at(lb::text(key), published.error()));
  }
  return result;
}

Result<void> Xdp::set_devices(const netlink::Links& links) {
  if (pins_replaced()) return {};
  const auto before = read_attached();
  if (!before) return fail(before.error());
  auto [after, surplus] = arrange_devices(*before, links, attached_);
  surplus_devices_ = std::move(surplus);
  return write_devices(maps_->devices.descriptor(), *before, after);
}

}  // namespace saspd::bpf
