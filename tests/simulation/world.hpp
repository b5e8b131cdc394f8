// SPDX-License-Identifier: Apache-2.0
// One simulated life: saspd, its GWMs, the links between them, the kernel, and everybody else who
// writes there. All time and all chance come from here.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "controller/sasp/framer.hpp"
#include "tests/simulation/chance.hpp"
#include "tests/simulation/director.hpp"
#include "tests/simulation/gwm.hpp"
#include "tests/simulation/judge.hpp"
#include "tests/simulation/kernel/netlink.hpp"

namespace saspd::simulation {

// Thrown where a SIGKILL hits saspd.
struct Killed {};

class World : private Fate, private Listener {
 public:
  // `left_out`: happenings that do not happen, by number. `trace`: shows what happens.
  World(const Options& options, std::set<unsigned> left_out, bool trace);
  ~World() override;

  // The whole life. Returns what was wrong; empty: nothing.
  std::string run();
  // For a story: the kernel has a service with these weights ("-": no such server), and saspd does
  // not run yet.
  void begin(const std::vector<std::string>& weights);
  // Of all that happened: equal in two lives of one seed.
  std::uint64_t hash() const { return hash_; }
  unsigned happened() const { return happenings_; }
  unsigned lives() const { return lives_; }
  std::uint64_t writes() const { return judge_.writes(); }

 private:
  friend class Story;
  // Of a service's servers, in their order: "40 0 - 10".
  std::string weights(unsigned service) const;
  // The machine comes up again, with these rules.
  void boot(const Judge::Saved& rules);

  // --- time
  void after(Duration delay, std::function<void()> what);
  // Until then, or until something is wrong.
  void pass(Duration time);
  bool pass_until(Duration limit, const std::function<bool()>& condition);
  bool next_event(TimePoint end);
  std::optional<TimePoint> next_deadline() const;
  bool decides_now() const;
  void deadlines_met();

  // --- saspd
  void start();
  // Nothing: it is not started again.
  void end_life(bool killed, std::optional<Duration> until_start);
  void within(const std::function<void(Director&)>& what);
  void reconcile_later();
  Director::Wire wires_of_director();

  // --- links
  struct Link {
    ConnectionId connection = 0;  // 0: none
    std::uint64_t attempt = 0;
    bool established = false;
    bool stalled = false;
    std::vector<std::function<void()>> held;  // while it is stalled
    sasp::Framer heard;                       // by the judge
    TimePoint last_arrival;
  };
  void try_to_connect(std::size_t gwm);
  void perform(std::size_t gwm, sasp::LinkStep step);
  void connected(std::size_t gwm);
  void ended(std::size_t gwm, const std::string& why, bool by_peer);
  void gone(std::size_t gwm, const std::string& why, bool looks);
  void deliver(std::size_t gwm, std::function<void()> what);
  void to_director(std::size_t gwm, ConnectionId id, const sasp::Bytes& bytes);
  void gwm_closes(std::size_t gwm, ConnectionId id);
  void stall(std::size_t gwm, bool on);
  void cut(std::size_t gwm, bool noticed);

  // --- who else does something: happenings.cpp
  using Happening = void (World::*)(Chance&);
  struct Kind;
  static const Kind kinds[];
  void schedule_happenings();
  void happen(unsigned number);
  void later(Duration delay, std::function<void()> what);
  void set_up();
  void saspd_is_killed(Chance& chance);
  void saspd_stops(Chance& chance);
  void machine_reboots(Chance& chance);
  void writes_are_refused(Chance& chance);
  void calls_fail(Chance& chance);
  void answers_are_lost(Chance& chance);
  void permission_goes(Chance& chance);
  void module_is_unloaded(Chance& chance);
  void human_weighs(Chance& chance);
  void human_edits(Chance& chance);
  void human_moves(Chance& chance);
  void human_restores(Chance& chance);
  void somebody_edits_between(Chance& chance);
  void keepalived_checks(Chance& chance);
  void disk_fills(Chance& chance);
  void ledger_is_lost(Chance& chance);
  void link_is_cut(Chance& chance);
  void link_stalls(Chance& chance);
  void gwm_restarts(Chance& chance);
  void gwm_hangs(Chance& chance);
  void gwm_refuses(Chance& chance);
  void gwm_floods(Chance& chance);
  void operator_drains(Chance& chance);
  void member_quiesces(Chance& chance);
  void weights_move(Chance& chance);
  void saspd_reloads(Chance& chance);
  void advise(std::size_t gwm, Chance& chance);
  void restore_rules(const Judge::Saved& saved);
  void keepalived_writes(const lb::ServiceKey& service, const Server& server, bool up);
  std::optional<std::pair<lb::ServiceKey, Server>> any_destination(Chance& chance) const;

  // --- what clients and operators see while it goes on: watch.cpp
  void watch_later();
  bool is_untroubled(Duration time) const;
  void expect_service(unsigned n);
  void expect_drained(unsigned n, const IpvsKernel::Service& service);
  void expect_server(unsigned n, const IpvsKernel::Row& row);
  bool all_say(unsigned n, const Server& server, bool quiesced) const;
  void expect_drifts_told();
  void use(const Options& options);

  // --- the end: rest.cpp
  void come_to_rest();
  void heal();
  std::vector<gwm::AdviceTable> all_advice() const;
  bool is_converged();
  bool all_follows_from_advice() const;
  void expect_rest(const char* when);
  void expect_honesty();

  // --- Fate, Listener
  void before(Step step) override;
  void after_write() override;
  int send_fails() override;
  int receive_fails() override;
  int write_fails() override;
  bool answers_overflow() override;
  std::size_t part() override { return options_.dump_part; }
  void shown(const lb::ServiceKey& service, const Server& server, const Real& real) override;
  void dumped(const lb::ServiceKey& service, const std::vector<Server>& servers) override;
  void absent(const lb::ServiceKey& service) override { judge_.absent(service); }
  void listing() override { judge_.listing(); }
  void listed(bool whole) override { judge_.listed(whole); }
  void maybe_killed();

  void note(std::uint64_t what) { hash_ = (hash_ ^ what) * 0x100000001B3U; }
  template <class... Values>
  void say(fmt::format_string<Values...> format, Values&&... values) {
    if (trace_) print(fmt::format(format, std::forward<Values>(values)...));
  }
  void print(const std::string& text) const;

  Options options_;  // as they are now: a reload makes them others
  const std::set<unsigned> left_out_;
  const bool trace_;
  std::uint64_t hash_ = 0xCBF29CE484222325U;

  TimePoint now_{std::chrono::hours{1}};
  std::multimap<TimePoint, std::function<void()>> events_;
  Chance chance_;

  Judge judge_;
  IpvsKernel ipvs_;
  NetlinkKernel netlink_;
  Disk disk_;
  bool ledger_known_ = true;  // the next life finds all that the last one knew
  std::unique_ptr<Director> director_;
  unsigned life_ = 0;
  unsigned lives_ = 0;
  bool work_posted_ = false;
  std::vector<std::unique_ptr<Gwm>> gwms_;
  std::vector<Link> links_;
  std::vector<bool> cut_;
  ConnectionId last_connection_ = 0;

  // What happens at a step to come; 0: nothing, 1: at the next.
  unsigned kill_in_ = 0;
  unsigned refuse_in_ = 0;
  unsigned fail_in_ = 0;
  unsigned lose_in_ = 0;
  unsigned edit_in_ = 0;
  std::optional<Chance> editor_;
  bool forbidden_ = false;
  bool healed_ = false;
  unsigned steps_at_once_ = 0;
  bool at_rest_ = false;
  unsigned happenings_ = 0;
  std::optional<Judge::Saved> saved_;
  std::vector<director::KeepalivedNews> fifo_;
  std::set<std::pair<lb::ServiceKey, Server>> held_down_;  // by keepalived
  TimePoint troubled_;                                     // saspd or its kernel, last
  std::uint64_t drifts_told_of_ = 0;  // writes of others, when saspd was asked last
  std::uint64_t drifts_before_ = 0;   // that it told of before its configuration was another one
};

}  // namespace saspd::simulation
