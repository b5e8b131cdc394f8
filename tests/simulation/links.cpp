// SPDX-License-Identifier: Apache-2.0
// The links between saspd and its GWMs, as net::Link and net::GwmServer keep them.
#include <algorithm>

#include "controller/sasp/codec.hpp"
#include "tests/simulation/world.hpp"

namespace saspd::simulation {

using namespace std::chrono_literals;

void World::try_to_connect(std::size_t gwm) {
  const auto attempt = ++links_[gwm].attempt;
  within([&](Director& director) {
    director.controller().connecting(gwm, now_);
    director.settle();
  });
  after(std::chrono::milliseconds{1 + chance_.below(20)}, [this, gwm, attempt] {
    if (attempt == links_[gwm].attempt) connected(gwm);
  });
}

void World::connected(std::size_t gwm) {
  if (!gwms_[gwm]->runs() || cut_[gwm]) return ended(gwm, "connection refused", false);
  Link& link = links_[gwm];
  judge_.cause();
  link.connection = ++last_connection_;
  link.established = false;
  link.stalled = false;
  link.held.clear();
  link.heard = sasp::Framer();
  gwms_[gwm]->accept(link.connection);
  within([&](Director& director) {
    perform(gwm, director.controller().connected(gwm, now_));
    director.settle();
  });
}

void World::perform(std::size_t gwm, sasp::LinkStep step) {
  Link& link = links_[gwm];
  if (link.connection == 0) return;
  link.established = link.established || step.established;
  if (!step.send.empty()) {
    deliver(gwm, [this, gwm, id = link.connection, bytes = std::move(step.send)] {
      gwms_[gwm]->received(id, bytes, now_);
    });
  }
  if (!step.close) return;
  after(0s, [this, gwm, id = link.connection, why = step.close->detail] {
    if (links_[gwm].connection != id) return;
    gwms_[gwm]->disconnected(id, now_);
    ended(gwm, why, false);
  });
}

// Bytes keep their order.
void World::deliver(std::size_t gwm, std::function<void()> what) {
  Link& link = links_[gwm];
  if (link.stalled) {
    link.held.push_back(std::move(what));
    return;
  }
  link.last_arrival =
      std::max(link.last_arrival, now_ + std::chrono::microseconds{200 + chance_.below(20'000)});
  events_.emplace(link.last_arrival, [this, gwm, what = std::move(what)]() mutable {
    if (links_[gwm].stalled) {
      links_[gwm].held.push_back(std::move(what));
    } else {
      what();
    }
  });
}

void World::stall(std::size_t gwm, bool on) {
  Link& link = links_[gwm];
  link.stalled = on;
  if (on) return;
  for (auto& held : std::exchange(link.held, {}))
    deliver(gwm, std::move(held));
}

void World::to_director(std::size_t gwm, ConnectionId id, const sasp::Bytes& bytes) {
  Link& link = links_[gwm];
  if (!director_ || link.connection != id) return;
  link.heard.append(bytes);
  for (auto frame = link.heard.next(); frame && *frame; frame = link.heard.next()) {
    const auto decoded = sasp::decode(**frame);
    if (!decoded) continue;
    Said& said = judge_.said[gwm];
    const auto hear = [&](const auto& groups) {
      if (said.hear(groups, ipvs_.loaded(), now_)) judge_.cause();
    };
    if (const auto* reply = std::get_if<sasp::GetWeightsReply>(&decoded->frame.message)) {
      const bool answers = reply->code == sasp::ReturnCode::successful;
      if (answers && said.confirm(shortest_patience(options_), now_)) judge_.cause();
      hear(reply->groups);
    }
    if (const auto* push = std::get_if<sasp::SendWeights>(&decoded->frame.message))
      hear(push->groups);
  }
  // In pieces, as TCP likes it.
  sasp::ByteView left(bytes);
  while (!left.empty() && director_ && links_[gwm].connection == id) {
    const auto size = chance_.one_in(4) ? 1 + chance_.below(static_cast<std::uint32_t>(left.size()))
                                        : left.size();
    const auto piece = left.first(size);
    left = left.subspan(size);
    within([&](Director& director) {
      perform(gwm, director.controller().received(gwm, piece, now_));
      director.settle();
    });
  }
}

void World::gwm_closes(std::size_t gwm, ConnectionId id) {
  after(1ms, [this, gwm, id] {
    if (gwms_[gwm]->runs()) gwms_[gwm]->disconnected(id, now_);
    if (links_[gwm].connection == id) ended(gwm, "the GWM closed the connection", true);
  });
}

void World::cut(std::size_t gwm, bool noticed) {
  const ConnectionId id = links_[gwm].connection;
  if (id == 0) return;
  if (noticed) gwms_[gwm]->disconnected(id, now_);
  ended(gwm, "connection reset by peer", true);
}

void World::ended(std::size_t gwm, const std::string& why, bool by_peer) {
  Link& link = links_[gwm];
  judge_.cause();
  link.connection = 0;
  const auto attempt = ++link.attempt;
  const bool was_established = std::exchange(link.established, false);
  bool looks = false;
  within([&](Director& director) {
    if (by_peer && was_established) looks = director.controller().lost(gwm, why, now_);
    director.settle();
  });
  after(looks ? 5ms : 0ms, [this, gwm, attempt, why, looks] {
    if (links_[gwm].attempt == attempt) gone(gwm, why, looks);
  });
}

// `looks`: it matters whether the GWM is still there.
void World::gone(std::size_t gwm, const std::string& why, bool looks) {
  const auto attempt = links_[gwm].attempt;
  within([&](Director& director) {
    const bool is_there = looks && gwms_[gwm]->runs() && !cut_[gwm];
    const auto delay = director.controller().ended(gwm, {why, false, is_there}, now_);
    director.settle();
    after(delay, [this, gwm, attempt] {
      if (links_[gwm].attempt == attempt) try_to_connect(gwm);
    });
  });
}

}  // namespace saspd::simulation
