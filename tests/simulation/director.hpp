// SPDX-License-Identifier: Apache-2.0
// A process of saspd without its sockets and timers: the real Controller above the real Ipvs, whose
// netlink sockets lead to the kernel of the simulation. It does what programs/saspd/program.cpp does.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "controller/saspd/controller.hpp"
#include "netlink/ipvs.hpp"
#include "tests/simulation/options.hpp"

namespace saspd::simulation {

inline const std::string lb_uid = "director";
std::string group_name(unsigned service);
lb::ServiceKey service_key(unsigned service);
Endpoint server_of(unsigned service, unsigned n);
// Whether the configuration names it now.
bool is_configured(const Options& options, unsigned service);

// /var/lib/saspd/ledger.
class Disk : public director::LedgerKeeper {
 public:
  std::string text;  // empty: there is none
  bool full = false;
  director::LedgerPlace place{"ipvs", "boot1", "cookie:1", ""};
  // Before and after a file has taken the place of the old one.
  std::function<void()> before;
  std::function<void()> after;

  director::Ledger load(std::vector<std::string>& warnings) const;
  bool keep(const director::Ledger& ledger) override;
  const std::string& error() const override { return error_; }

 private:
  std::string error_;
};

// Who looks at when we list.
class Listener {
 public:
  Listener() = default;
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;
  virtual ~Listener() = default;
  virtual void listing() = 0;
  virtual void listed(bool whole) = 0;
};

class Director {
 public:
  struct Wire {
    std::function<void(std::size_t gwm, sasp::LinkStep step)> perform;
    std::function<void()> work_soon;
    std::function<void(const cli::LogLine&)> log;
    std::function<std::vector<director::KeepalivedNews>()> keepalived;
  };

  // nullptr: there is no IPVS (exit 69).
  static std::unique_ptr<Director> open(const Options& options, Disk& disk, Listener& listener,
                                        Wire wire, TimePoint now);

  void start(TimePoint now);
  void look_again(TimePoint now);  // the reconcile timer
  void work(TimePoint now);
  void undrain(const MemberName& member);
  // The options are others now.
  void reload(TimePoint now);
  // See Controller.
  std::optional<TimePoint> next_decision() const { return controller_.next_decision(); }
  // Writes of others that it has told of, in this life.
  std::uint64_t drifts(TimePoint now) const;
  // After each call of the controller.
  void settle();

  director::Controller& controller() { return controller_; }
  // What `saspctl status --check` finds wrong.
  std::vector<std::string> problems(TimePoint now);

 private:
  class Plane;
  Director(const Options& options, Disk& disk, std::unique_ptr<Plane> plane, Wire wire,
           TimePoint now);

  const Options& options_;
  Disk& disk_;
  const Wire wire_;
  std::unique_ptr<Plane> plane_;
  director::Controller controller_;

 public:
  ~Director();
};

}  // namespace saspd::simulation
