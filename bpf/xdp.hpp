// SPDX-License-Identifier: Apache-2.0
// The maps of the attached XDP program as a Dataplane. It needs no capability, only the pins, whose
// owner may read and write the maps (kernel 5.19 and later; before that, CAP_BPF).
//
// It believes what the last listing read and what it has written since. It believes nothing before
// the write has succeeded, and a service whose write failed is unknown until the next listing.
#pragma once

#include <array>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "bpf/devices.hpp"
#include "bpf/maglev.hpp"
#include "bpf/xdp_maps.hpp"
#include "controller/base/clock.hpp"
#include "controller/lb/backend.hpp"

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

class Xdp final : public lb::ObservedDataplane {
 public:
  using Now = std::function<TimePoint()>;

  // One who only reads locks out no writer.
  enum class Access { read, write };

  // `pins`: the directory that attach() made. Errors: those of XdpMaps::open.
  static Result<std::unique_ptr<Xdp>> open(std::string pins, Now now = Clock::now,
                                           Access access = Access::write);

  // A service's scheduler is the way its table is built, "minimal" or "independent"; its
  // destinations all have the same forwarding method, Forward::route (L2) or Forward::tunnel.
  // Connections: 1 while a destination has had packets within quiet_time, else 0. A service is
  // intact if its entries, next hops and slots match its weights. Error if the pins were removed.
  Result<lb::Table> list(std::span<const lb::ServiceKey> services) override;
  Result<lb::Table> list_all() override;
  static constexpr Duration quiet_time = std::chrono::seconds{60};

  // Each touched service gets one new table, which is written aside and then replaces the old one.
  // Only changes that find no room in the maps are refused, in their order; what is already there
  // stays. An error concerns the service whose write failed.
  std::vector<lb::Failure> apply(std::span<const lb::Change> changes) override;
  Result<void> tidy() override;

  // Their next_hop is what the frame gets: lb::frame_text().
  std::map<Endpoint, lb::DestinationState> states(const lb::ServiceKey& key) override;

  // Sets where the destinations are. A destination without a next hop is not reachable, and gets no
  // slots as long as another one of its service is reachable. Before the first call, the next hops
  // in the maps apply. An unknown service is left to the next plan.
  Result<void> set_next_hops(const std::map<IpAddress, NextHop>& next_hops);
  // Without writing them: the next listing shows what differs from the maps.
  void know_next_hops(const std::map<IpAddress, NextHop>& next_hops) { next_hops_ = next_hops; }
  std::set<IpAddress> addresses() const;  // of all destinations

  // Updates which frames are ours, after a change of interfaces, MACs or VLAN devices.
  Result<void> set_devices(const netlink::Links& links);
  // Those that are not, because there is no room for more; as of the last set_devices().
  const std::vector<Arrangement::Surplus>& surplus_devices() const { return surplus_devices_; }
  // An interface to which the program is attached.
  const std::vector<Attachment>& attached() const { return attached_; }

  Result<lb::Trace> trace(lb::Protocol protocol, const Endpoint& source,
                          const Endpoint& destination) override;
  // "pass_no_service", "drop_ttl", ...: the names of lb_reason.
  std::vector<std::pair<std::string, std::uint64_t>> packet_counters() override;

 private:
  struct Service {
    lb_service value{};
    std::uint32_t table = 0;                     // in use
    std::map<Endpoint, std::uint32_t> backends;  // their numbers
    bool known = true;                           // false after a failed write
  };
  // A service as it is to become; none of it is believed before it is written.
  struct Draft {
    Service service;
    bool is_new = false;
    std::map<std::uint32_t, lb_backend> backends;  // the service's, by number
    std::vector<std::uint32_t> leaving;            // freed once no table has them
    std::vector<std::uint32_t> joining;            // newly assigned numbers
  };
  struct Drafts {
    std::map<lb::ServiceKey, Draft> services;
    std::set<lb::ServiceKey> removed;
    std::map<lb::ServiceKey, Error> refused;  // no room for the service
    std::set<std::uint32_t> taken;            // numbers of backends
  };
  // A table that is what would be built for these members, and need not be built again.
  struct Followed {
    std::uint64_t slots = 0;  // digest()
    bool independent = false;
    std::vector<Member> members;
    bool operator==(const Followed&) const = default;
  };
  // Entries that belong to no service.
  struct Strays {
    std::vector<lb_service_key> services;
    std::vector<lb_address_key> addresses;
    std::vector<std::uint32_t> backends;
  };
  struct Activity {
    std::uint64_t packets = 0;
    TimePoint since;
  };

  Xdp(std::string pins, Now now, Access access)
      : pins_(std::move(pins)), now_(std::move(now)), access_(access) {}
  Result<void> open_maps();
  Result<DeviceTable> read_attached();
  bool pins_replaced() const;

  Result<void> read();
  void take_services(const Contents& contents);
  void take_backends();
  void take_addresses(const Contents& contents);
  Result<bool> is_intact(const lb::ServiceKey& key, const Service& service);
  bool is_followed(const lb::ServiceKey& key, const Followed& table) const;
  std::vector<Member> members(const Service& service,
                              const std::map<std::uint32_t, lb_backend>& backends) const;
  std::map<std::uint32_t, lb_backend> backends_of(const Service& service) const;
  lb::Pool pool(const Service& service);
  std::uint32_t connections(std::uint32_t number);

  std::optional<Error> draft(const lb::Change& change, Drafts& drafts);
  std::optional<Error> draft_service(const lb::Change& change, Drafts& drafts);
  std::optional<Error> draft_destination(const lb::Destination& destination, Draft& draft,
                                         Drafts& drafts);
  std::optional<std::uint32_t> free_service_number(const Drafts& drafts) const;
  std::optional<std::uint32_t> free_number(const Drafts& drafts);
  lb_backend with_next_hop(lb_backend backend) const;

  Result<void> publish(const lb::ServiceKey& key, Draft draft);
  Result<void> write(const lb::ServiceKey& key, Draft& draft);
  Result<void> write_backend(std::uint32_t number, const lb_backend& backend);
  Result<void> write_table(const lb::ServiceKey& key, Draft& draft);
  Result<void> write_entry(const lb::ServiceKey& key, const Draft& draft);
  Result<void> remove(const lb::ServiceKey& key);
  Result<void> free(const std::vector<std::uint32_t>& numbers);

  std::optional<std::uint32_t> known_flow(const Service& service, const lb_flow_key& key) const;
  std::optional<lb::NextHop> next_hop_of(const IpAddress& address) const;

  std::string pins_;
  Now now_;
  const Access access_;
  std::optional<WriterLock> lock_;
  std::optional<XdpMaps> maps_;

  // What the maps hold.
  std::map<lb::ServiceKey, Service> services_;
  std::set<IpAddress> addresses_;
  std::vector<lb_backend> backends_;  // by number
  std::vector<std::uint32_t> tables_in_use_;
  Strays strays_;

  std::vector<Attachment> attached_;
  std::vector<Arrangement::Surplus> surplus_devices_;
  std::map<lb::ServiceKey, Followed> followed_;
  std::uint32_t last_number_ =
      0;  // the last one assigned; the search for the next starts after it, to reuse numbers late
  std::optional<std::map<IpAddress, NextHop>> next_hops_;
  std::map<std::uint32_t, Activity> activity_;                      // by backend number
  std::unique_ptr<lb_table> slots_ = std::make_unique<lb_table>();  // as read last
};

}  // namespace saspd::bpf
