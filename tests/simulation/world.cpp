// SPDX-License-Identifier: Apache-2.0

#include "tests/simulation/world.hpp"

#include <cerrno>
#include <cstdio>

#include "controller/sasp/codec.hpp"

namespace saspd::simulation {

using namespace std::chrono_literals;

World::World(const Options& options, std::set<unsigned> left_out, bool trace)
    : options_(options),
      left_out_(std::move(left_out)),
      trace_(trace),
      chance_(options.seed ^ 0x5851F42D4C957F2DU),
      judge_(options_, ipvs_, now_),
      ipvs_(judge_),
      netlink_(ipvs_, *this),
      links_(options.gwms),
      cut_(options.gwms) {
  for (std::size_t n = 0; n < options.gwms; ++n) {
    Gwm::Wire wire;
    wire.send = [this, n](ConnectionId id, sasp::Bytes bytes) {
      deliver(n, [this, n, id, bytes = std::move(bytes)] { to_director(n, id, bytes); });
    };
    wire.close = [this, n](ConnectionId id) { gwm_closes(n, id); };
    gwms_.push_back(std::make_unique<Gwm>(
        lb_uid, options.interval, std::chrono::seconds{options.retention}, std::move(wire)));
  }
  judge_.said.resize(options.gwms);
  disk_.before = [this] { maybe_killed(); };
  disk_.after = [this] { maybe_killed(); };
}

World::~World() = default;

void World::print(const std::string& text) const {
  const auto since = std::chrono::duration<double>(now_.time_since_epoch() - 1h);
  std::fputs(fmt::format("{:9.3f}  {}\n", since.count(), text).c_str(), stdout);
}

std::string World::run() {
  set_up();
  schedule_happenings();
  after(1s, [this] { start(); });
  watch_later();
  while (!events_.empty() && judge_.wrong().empty() && !at_rest_) {
    if (!next_event(TimePoint::max())) break;
  }
  return judge_.wrong();
}

void World::begin(const std::vector<std::string>& weights) {
  const auto key = service_key(0);
  if (!judge_.is_managed(key)) {
    ipvs_.add_service(Author::human, key, {options_.scheduler, 0, 0, 0xFFFFFFFF});
    for (unsigned n = 0; n < weights.size(); ++n) {
      if (weights[n] == "-") continue;
      ipvs_.add(Author::human, key, server_of(0, n),
                {static_cast<std::uint32_t>(std::stoul(weights[n])), 0, 5000, 4000, 0, 0, 0});
    }
  }
  disk_.text = director::Ledger::empty().text(disk_.place);
  for (auto& gwm : gwms_)
    gwm->start(now_);
}

std::string World::weights(unsigned service) const {
  const auto* found = ipvs_.find(service_key(service));
  std::string text;
  for (unsigned n = 0; n < options_.servers; ++n) {
    const auto* row = found != nullptr ? found->find(server_of(service, n)) : nullptr;
    text += (text.empty() ? "" : " ") + (row != nullptr ? std::to_string(row->real.weight) : "-");
  }
  return text;
}

// --- time

void World::after(Duration delay, std::function<void()> what) {
  events_.emplace(now_ + delay, std::move(what));
}

std::optional<TimePoint> World::next_deadline() const {
  std::optional<TimePoint> next;
  for (std::size_t n = 0; n < gwms_.size(); ++n) {
    if (director_ && links_[n].connection != 0)
      next = earliest({next, director_->controller().deadline(n)});
    next = earliest({next, gwms_[n]->deadline()});
  }
  if (director_) next = earliest({next, director_->next_decision()});
  return next;
}

bool World::decides_now() const {
  const auto due = director_ ? director_->next_decision() : std::nullopt;
  return due && *due <= now_;
}

void World::deadlines_met() {
  for (std::size_t n = 0; n < gwms_.size(); ++n) {
    if (const auto due = gwms_[n]->deadline(); due && *due <= now_) gwms_[n]->timed_out(now_);
    if (!director_ || links_[n].connection == 0) continue;
    const auto due = director_->controller().deadline(n);
    if (!due || *due > now_) continue;
    within([&](Director& director) {
      perform(n, director.controller().timed_out(n, now_));
      director.settle();
    });
  }
  if (decides_now()) within([this](Director& director) { director.work(now_); });
}

// False: there is nothing before `end`, and it is `end` now.
bool World::next_event(TimePoint end) {
  const auto deadline = next_deadline();
  const auto event = events_.begin();
  const bool by_deadline = deadline && (event == events_.end() || *deadline < event->first);
  const TimePoint when = by_deadline              ? std::max(*deadline, now_)
                         : event != events_.end() ? event->first
                                                  : TimePoint::max();
  if (when > end) {
    now_ = end;
    return false;
  }
  steps_at_once_ = when == now_ ? steps_at_once_ + 1 : 0;
  if (steps_at_once_ > 100'000) judge_.complain("there is no end to what is done at once");
  now_ = when;
  note(static_cast<std::uint64_t>(now_.time_since_epoch().count()));
  if (by_deadline) {
    deadlines_met();
    return true;
  }
  const auto what = std::move(event->second);
  events_.erase(event);
  what();
  return true;
}

void World::pass(Duration time) {
  const TimePoint end = now_ + time;
  while (judge_.wrong().empty() && next_event(end)) {
  }
}

bool World::pass_until(Duration limit, const std::function<bool()>& condition) {
  const TimePoint end = now_ + limit;
  while (judge_.wrong().empty() && now_ < end) {
    if (condition()) return true;
    pass(std::chrono::seconds{options_.reconcile_interval});
  }
  return condition();
}

// --- saspd

void World::start() {
  if (director_) return;
  ++life_;
  director_ = Director::open(options_, disk_, *this, wires_of_director(), now_);
  if (!director_) {
    say("saspd: there is no IPVS");
    return after(2s, [this] { start(); });
  }
  ++lives_;
  say("saspd starts, life {}", lives_);
  judge_.life_began(std::exchange(ledger_known_, true));
  drifts_told_of_ = drifts_before_ = 0;
  troubled_ = now_;
  work_posted_ = false;
  within([&](Director& director) {
    director.start(now_);
    reconcile_later();
    for (std::size_t n = 0; n < gwms_.size(); ++n)
      after(0s, [this, n, life = life_] {
        if (life == life_) try_to_connect(n);
      });
  });
}

void World::reconcile_later() {
  after(std::chrono::seconds{options_.reconcile_interval}, [this, life = life_] {
    if (life != life_) return;
    within([&](Director& director) {
      director.look_again(now_);
      reconcile_later();
    });
    expect_honesty();
  });
}

void World::within(const std::function<void(Director&)>& what) {
  if (!director_) return;
  try {
    what(*director_);
    judge_.believes();
    expect_drifts_told();
  } catch (const Killed&) {
    say("saspd is killed");
    end_life(true, std::chrono::milliseconds{chance_.below(8000)});
  }
}

void World::end_life(bool killed, std::optional<Duration> until_start) {
  if (!director_) return;
  const bool kept = disk_.error().empty() && !disk_.full;
  troubled_ = now_;
  judge_.life_ended(killed, kept);
  ledger_known_ = ledger_known_ && kept;
  director_.reset();
  ++life_;
  kill_in_ = 0;
  fifo_.clear();
  for (std::size_t n = 0; n < links_.size(); ++n) {
    Link& link = links_[n];
    const ConnectionId gone = std::exchange(link.connection, 0);
    ++link.attempt;
    link.established = false;
    if (gone != 0) after(1ms, [this, n, gone] { gwms_[n]->disconnected(gone, now_); });
    judge_.said[n].forget();
  }
  if (until_start) after(*until_start, [this] { start(); });
}

Director::Wire World::wires_of_director() {
  Director::Wire wire;
  wire.perform = [this](std::size_t gwm, sasp::LinkStep step) { perform(gwm, std::move(step)); };
  wire.work_soon = [this] {
    if (std::exchange(work_posted_, true)) return;
    after(0s, [this, life = life_] {
      if (life != life_) return;
      work_posted_ = false;
      within([&](Director& director) { director.work(now_); });
    });
  };
  wire.log = [this](const cli::LogLine& line) {
    if (trace_) print("  log: " + line.text);
  };
  wire.keepalived = [this] { return std::exchange(fifo_, {}); };
  return wire;
}

// --- Fate

void World::maybe_killed() {
  if (kill_in_ > 0 && --kill_in_ == 0) throw Killed{};
}

void World::before(Step step) {
  if (step == Step::write) judge_.believes();
  maybe_killed();
  if (edit_in_ == 0 || --edit_in_ != 0) return;
  auto editor = std::exchange(editor_, std::nullopt);
  if (!editor) return;
  if (options_.human_moves && editor->one_in(2)) return human_moves(*editor);
  human_weighs(*editor);
}

void World::after_write() {
  maybe_killed();
}

int World::send_fails() {
  if (fail_in_ == 0 || --fail_in_ != 0) return 0;
  troubled_ = now_;
  return ENOBUFS;
}

int World::receive_fails() {
  return 0;
}

int World::write_fails() {
  if (!forbidden_ && (refuse_in_ == 0 || --refuse_in_ != 0)) return 0;
  troubled_ = now_;
  return forbidden_ ? EPERM : ENOMEM;
}

bool World::answers_overflow() {
  if (lose_in_ == 0 || --lose_in_ != 0) return false;
  judge_.answers_lost();
  troubled_ = now_;
  return true;
}

void World::shown(const lb::ServiceKey& service, const Server& server, const Real& real) {
  judge_.shown(service, server, real);
}

void World::dumped(const lb::ServiceKey& service, const std::vector<Server>& servers) {
  judge_.dumped(service, servers);
}

}  // namespace saspd::simulation
