// The maps of the attached XDP program as a Dataplane. It needs no capability, only the pins: their
// owner may read and write the maps (kernel 5.19 and later; before, CAP_BPF).
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <set>
#include <string>

#include "bpf/devices.hpp"
#include "bpf/lb.h"
#include "bpf/map.hpp"
#include "controller/base/clock.hpp"
#include "controller/lb/dataplane.hpp"

namespace saspd::bpf {

// How an address is reached.
struct NextHop {
  std::uint32_t interface = 0;
  std::array<std::uint8_t, 6> mac{};
  std::array<std::uint8_t, 6> source{};  // of our interface
  std::uint16_t mtu = 0;                 // 0: not known
  std::uint16_t vlan = 0;                // the tag of the frame; 0: none
  bool operator==(const NextHop&) const = default;
};

// As lb.h has them.
lb_address_key address_key(const IpAddress& address);
lb_service_key service_key(const lb::VirtualEndpoint& service);
lb_flow_key flow_key(lb::Protocol protocol, const Endpoint& source, const Endpoint& destination);

// Whether the running kernel asks for CAP_BPF, besides the pins: before 5.19.
bool maps_want_capability();

class Xdp final : public lb::Dataplane {
 public:
  using Now = std::function<TimePoint()>;

  // `pins`: the directory that attach() made. Errors to tell apart: no_such_file_or_directory,
  // nothing is attached; permission_denied, the pins belong to somebody else; not_supported, they
  // are of another layout. Their details name the way out.
  static Result<std::unique_ptr<Xdp>> open(std::string pins, Now now = Clock::now);

  // A service's scheduler is how its table is built, "minimal" or "independent"; its destinations
  // are all forwarded alike, Forward::route (L2) or Forward::tunnel. Connections: 1 while a
  // destination has had packets within quiet_time, else 0. An error once somebody has taken the
  // pins away.
  Result<lb::Table> list(std::span<const lb::ServiceKey> services) override;
  Result<lb::Table> list_all() override;
  static constexpr Duration quiet_time = std::chrono::seconds{60};

  // Each touched service gets one new table, written aside and then put in place of the old. What
  // does not fit the maps is refused whole (std::errc::no_space_on_device), and nothing has
  // changed.
  std::vector<lb::Failure> apply(std::span<const lb::Change> changes) override;

  std::map<Endpoint, lb::DestinationState> states(const lb::ServiceKey& key) override;

  // Where the destinations are; one that is not in it is not reachable, and gets no slots as long
  // as another of its service is.
  Result<void> set_next_hops(const std::map<IpAddress, NextHop>& next_hops);
  std::set<IpAddress> addresses() const;  // of all destinations

  // Which frames are ours, after a change of interfaces: of MACs, of VLAN devices.
  Result<void> set_devices(const netlink::Links& links);
  // What the program is attached to.
  const std::vector<Attachment>& attached() const { return attached_; }

  Result<lb::Trace> trace(lb::Protocol protocol, const Endpoint& source,
                          const Endpoint& destination) override;
  // "pass_no_service", "drop_ttl", ...: the names of lb_reason.
  std::vector<std::pair<std::string, std::uint64_t>> packet_counters() override;

 private:
  struct Maps {
    Map<lb_service_key, lb_service> services;
    Map<std::uint32_t, std::uint32_t> tables_in_use;
    Map<lb_address_key, std::uint32_t> addresses;
    Map<std::uint32_t, lb_table> tables;
    Map<std::uint32_t, lb_backend> backends;
    Map<std::uint32_t, lb_devices> devices;
    Map<lb_flow_key, lb_flow> flows;
    PerCpuArray<lb_counters> backend_counters;
    PerCpuArray<lb_counters> service_counters;
    PerCpuArray<std::uint64_t> reasons;
    Map<std::uint32_t, lb_settings> settings;
  };
  struct Service {
    lb_service value{};
    std::uint32_t table = 0;                     // in use
    bool published = false;                      // stands in the map
    std::map<Endpoint, std::uint32_t> backends;  // numbers
    std::vector<std::uint32_t> leaving;          // numbers to be freed once no table has them
  };
  struct Activity {
    std::uint64_t packets = 0;
    TimePoint since;
  };

  Xdp(std::string pins, Now now) : pins_(std::move(pins)), now_(std::move(now)) {}
  Result<void> open_maps();
  Result<void> read_attached();
  bool pins_replaced() const;
  Result<void> read();
  Result<void> check_room(std::span<const lb::Change> changes) const;
  void take(const lb::Change& change);
  void add_service(const lb::ServiceKey& key, const lb::Service& attributes);
  void add_destination(Service& service, const lb::Destination& destination);
  Result<void> publish(const lb::ServiceKey& key);
  Result<void> write_table(Service& service);
  Result<void> remove(const lb::ServiceKey& key);
  Result<void> free_leaving(Service& service);
  std::uint32_t free_number() const;
  std::optional<std::uint32_t> known_flow(const Service& service, const lb_flow_key& key) const;
  void set_next_hop(lb_backend& backend) const;
  std::string next_hop_text(const IpAddress& address) const;
  std::uint32_t connections(std::uint32_t number);
  lb::Pool pool(const Service& service);

  std::string pins_;
  Now now_;
  std::optional<Maps> maps_;
  lb_settings settings_{};

  // What the maps hold.
  std::map<lb::ServiceKey, Service> services_;
  std::vector<lb_backend> backends_;  // by number
  std::uint32_t last_number_ = 0;     // given; the next is looked for behind it, to reuse late

  std::vector<Attachment> attached_;
  std::map<IpAddress, NextHop> next_hops_;
  std::map<std::uint32_t, Activity> activity_;  // by backend number
};

}  // namespace saspd::bpf
