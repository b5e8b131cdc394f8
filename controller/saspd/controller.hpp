// SPDX-License-Identifier: Apache-2.0
// saspd without its sockets, timers and files: the sessions with the GWMs, and the reconciler that
// follows their advice. Pure but for the data plane, which stands behind its seam: bytes, the
// kernel's answers and time in; bytes, writes and lines for the log out.
//
//   received(gwm, bytes)  -> session -> advice -> reconciler
//   work(now)             reconciler -> data plane; what is then wanted -> sessions -> output()
#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "controller/base/member_name.hpp"
#include "controller/cli/log_lines.hpp"
#include "controller/events/journal.hpp"
#include "controller/lb/backend.hpp"
#include "controller/sasp/lb_session.hpp"
#include "controller/sasp/linked_session.hpp"
#include "controller/saspd/gwm_news.hpp"
#include "controller/saspd/keepalived_fifo.hpp"
#include "controller/saspd/ledger.hpp"
#include "controller/saspd/news.hpp"
#include "controller/saspd/reconciler.hpp"
#include "controller/saspd/status.hpp"

namespace saspd::director {

using events::WallTime;

class Controller {
 public:
  struct Settings {
    Reconciler::Settings reconciler;    // as many GWMs as `gwms` has, whatever it says
    sasp::LbSessionConfig session;      // the same with all GWMs
    std::vector<std::string> gwms{""};  // "HOST:PORT", in order of precedence
    Duration retry_min = std::chrono::seconds{20};
    std::uint64_t seed = 0;  // of the jitter of attempts to connect; differs between hosts
    News::Settings news;     // `dry_run` is the reconciler's
    const lb::Backend* backend = nullptr;  // of `plane`
    cli::Level log_level = cli::Level::info;
  };

  // What is to be done outside, in this order.
  struct Output {
    std::vector<cli::LogLine> log;
    std::vector<std::pair<std::size_t, sasp::LinkStep>> links;  // what goes to GWMs
    std::vector<std::size_t> retries;  // GWMs to connect to now: net::Link::retry
    bool overrides = false;            // they are others now, and to be kept
    bool work = false;                 // work() is to be called, after giving other work a turn
  };

  // `plane` must outlive the controller.
  Controller(lb::ObservedDataplane& plane, Settings settings, TimePoint now);
  Controller(const Controller&) = delete;
  Controller& operator=(const Controller&) = delete;
  // See Reconciler. `warnings`: why what was kept is not believed.
  void remember(Ledger ledger, LedgerKeeper& keeper, const std::vector<std::string>& warnings);

  // What was kept of an earlier life, oldest first. To be called before anything happens.
  void remember_events(std::deque<report::Event> events) { journal_.remember(std::move(events)); }
  // What happens from now on happens then. work() knows it by itself.
  void set_time(TimePoint now, WallTime wall) { journal_.set_time(now, wall); }
  // Something that only the process knows of.
  void note(report::Event event) { journal_.note(std::move(event)); }
  // What the process knows of itself, as it is now; empty texts: all is well. Also what the clock
  // alone makes of the advice.
  struct Outside {
    std::string tls_error;
    std::string config_error;
    std::string attach_request;
  };
  void look_around(const Outside& outside, TimePoint now);

  // Other settings from now on, with the same LB UID, backend and data plane; see Reconciler. GWMs
  // that stay, by their name, keep their session; the numbers are those of the new list.
  void reconfigure(Settings settings, TimePoint now);

  // What there is to be done since the last call. To be called after every other function that is
  // not const.
  Output output();

  // What becomes of the link to a GWM: see net::LinkOwner.
  void connecting(std::size_t gwm, TimePoint now);
  sasp::LinkStep connected(std::size_t gwm, TimePoint now);
  sasp::LinkStep received(std::size_t gwm, sasp::ByteView bytes, TimePoint now);
  sasp::LinkStep timed_out(std::size_t gwm, TimePoint now);
  std::optional<TimePoint> deadline(std::size_t gwm) const;
  bool lost(std::size_t gwm, const std::string& why, TimePoint now);
  Duration ended(std::size_t gwm, const sasp::LinkEnd& end, TimePoint now);

  // What keepalived has said, and why it cannot be heard (empty: it can). Before each work().
  void keepalived_says(const std::vector<KeepalivedNews>& news, const std::string& error);
  // The data plane has events (lb::Dataplane::event_descriptor).
  void take_up_events();
  void look_for_problems();
  // It is time to compare everything with what the kernel has.
  void look_again();
  // Writes a chunk of what there is to be written.
  Work work(TimePoint now, WallTime wall);
  // When work() is to be called though nothing happens: see Reconciler.
  std::optional<TimePoint> next_decision() const { return reconciler_.next_decision(); }

  // The operator takes a weight 0 back for the advice: see Reconciler::give_back. `asked_by` is for
  // the log.
  std::size_t undrain(const MemberName& member, std::string_view asked_by);
  // The operator does not want to wait for the next attempt to connect to `gwm`, HOST or HOST:PORT.
  // Returns its name. Errors: there is no such GWM, or no wait for an attempt.
  Result<std::string> retry(std::string_view gwm, std::string_view asked_by);
  // Overrides of the operator. Errors: no such member or group, with the nearest name; a member that
  // several groups have; too many.
  Result<std::vector<report::Override>> override_member(const MemberName& member,
                                                        std::uint32_t weight, Act act);
  Result<std::vector<report::Override>> hold(const std::string& group, Act act);
  // `only_drains`: those of weight 0.
  std::vector<report::Override> lift_overrides(const MemberName& member, std::string_view asked_by,
                                               bool only_drains);
  Result<std::vector<report::Override>> release(const std::string& group,
                                                std::string_view asked_by);
  void remember_overrides(Overrides overrides);
  const Overrides& overrides() const { return reconciler_.overrides(); }
  // Why they are in memory only; empty: they are kept.
  void overrides_kept(const std::string& error) { overrides_error_ = error; }
  bool keeps_overrides() const { return overrides_error_.empty(); }

  // The operator does not want to wait for the next look: the next work() has one.
  void reconcile(std::string_view asked_by);
  // What would be written if the kernel were listed now. Nothing is different afterwards.
  Result<lb::Plan> plan(TimePoint now) const;

  lb::ObservedDataplane& plane() { return plane_; }

  const events::Journal& journal() const { return journal_; }
  // Those to be kept for the next life.
  std::vector<report::Event> take_events() { return journal_.take_new(); }
  // The names of all groups, for who mistyped one.
  std::vector<std::string_view> group_names() const;

  // All that is known here; what only the process knows stays empty.
  Status status(TimePoint now) const;
  std::string status_line() const;
  const std::vector<lb::Problem>& problems() const { return news_.problems(); }
  bool dry_run() const { return settings_.news.dry_run; }
  const lb::Backend& backend() const { return *settings_.backend; }

 private:
  struct Gwm {
    std::string name;
    sasp::LinkedSession<sasp::LbSession> link;
    GwmNews news;
    std::uint64_t states = 0;  // the generation of its MemberStates that was looked at last
  };

  static Settings consistent(Settings settings);
  void add_gwm(const std::string& name, TimePoint now);
  void renumber(const Renumbering& gwms, TimePoint now);
  sasp::LinkStep take(std::size_t gwm, sasp::LinkedSession<sasp::LbSession>::Step step,
                      TimePoint now);
  void take(std::size_t gwm, const sasp::LbEvent& event, TimePoint now);
  void established(std::size_t gwm);
  void disconnected(std::size_t gwm);
  void say(const Gwm& gwm, const std::optional<GwmNews::Line>& line);
  void say(std::string_view about, const GwmNews::Line& line);
  bool is_any_up() const;
  events::State lost_state(const Gwm& gwm, TimePoint now) const;
  events::State duplicate_state(const Gwm& gwm) const;
  void note_gwms(TimePoint now);
  void note_lost(const Gwm& gwm, const GwmNews::Line& line, TimePoint now);
  void note_duplicate(const Gwm& gwm);
  void note_followed(const std::vector<GwmChange>& changes);
  void note_alarms();
  void note_override(const report::Override& override);
  void note_lifted(const report::Override& override, std::string_view how);
  void end_overrides(TimePoint now);
  void note_command(std::string text, std::string_view asked_by,
                    const std::optional<MemberName>& member = std::nullopt);
  void tell_what_is_wanted(TimePoint now);
  void forget_lifted(std::size_t gwm);
  void add_states(GroupView& group) const;

  Settings settings_;
  lb::ObservedDataplane& plane_;
  cli::LogLines log_;
  events::Journal journal_{log_};
  News news_;
  Reconciler reconciler_;
  std::string overrides_error_{"there is no --overrides"};
  LedgerKeeper* ledger_ = nullptr;  // nothing: none is kept
  std::shared_ptr<sasp::WantedRegistry> wanted_ = std::make_shared<sasp::WantedRegistry>();
  std::optional<std::uint64_t> told_;  // the generation of it that the sessions know
  std::uint64_t told_states_ = 0;      // likewise
  std::vector<Gwm> gwms_;
  std::optional<WallTime> last_change_;  // that the kernel took
  Output output_;
};

}  // namespace saspd::director
