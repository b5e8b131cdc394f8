// SPDX-License-Identifier: Apache-2.0
// Clients that take all descriptors, and a dry run beside the saspd that writes: neither keeps a
// director from its GWM and its kernel.

#include <sys/resource.h>
#include <sys/un.h>

#include "controller/sasp/codec.hpp"
#include "tests/e2e/saspd/xdp_fixture.hpp"

namespace saspd::test {
namespace {

class Crowded : public SaspdOnXdp {
 protected:
  static constexpr seconds patience{120};
  // Far less than there are clients, and enough for the program alone.
  static constexpr rlim_t limit = 80;
  static constexpr int clients = 120;

  static void limits(const Program& program) {
    const rlimit few{limit, limit};
    ASSERT_EQ(::prlimit(program.pid(), RLIMIT_NOFILE, &few, nullptr), 0);
  }
  static std::size_t descriptors_of(const Program& program) {
    std::error_code ec;
    const std::filesystem::directory_iterator all(fmt::format("/proc/{}/fd", program.pid()), ec);
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
  }
  void many_ask_the_control_socket(const std::string& name) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    path(name).copy(address.sun_path, sizeof address.sun_path - 1);
    for (int i = 0; i < clients; ++i) {
      Descriptor client(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
      (void)!::connect(client.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address);
      clients_.push_back(std::move(client));
    }
  }
  void many_connect(const Endpoint& to) {
    network_.director.run([&] {
      const kernel::SocketAddress address(to);
      for (int i = 0; i < clients; ++i) {
        Descriptor client(
            ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
        (void)!::connect(client.get(), address.get(), address.size);
        clients_.push_back(std::move(client));
      }
    });
  }
  // Who asks again and again keeps its place.
  void keep_asking(const char* question) {
    char answers[4096];
    for (const auto& client : clients_) {
      while (::recv(client.get(), answers, sizeof answers, MSG_DONTWAIT) > 0) {
      }
      ::send(client.get(), question, std::strlen(question), MSG_NOSIGNAL | MSG_DONTWAIT);
    }
  }
  // Who was served once may stay for ever.
  void ask_to_stay() {
    int number = 0;
    for (const auto& client : clients_) {
      const auto bytes =
          *sasp::encode({1, sasp::SetLbStateRequest{.lb_uid = fmt::format("peer-{}", ++number)}});
      ::send(client.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    }
  }
  // No more are accepted.
  bool takes_no_more(const Program& program, const char* question) {
    std::size_t last = 0;
    int same = 0;
    return eventually(
        [&] {
          keep_asking(question);
          const auto now = descriptors_of(program);
          same = now == last ? same + 1 : 0;
          last = now;
          return same == 20 && now > limit / 2;
        },
        patience);
  }
  template <class Condition>
  bool eventually_while_they_ask(const char* question, Condition condition) {
    return eventually(
        [&] {
          keep_asking(question);
          return condition();
        },
        patience);
  }

  std::vector<Descriptor> clients_;
};

// faults-found 15: 20 clients of the control socket kept the GWM out.
TEST_F(Crowded, SaspdReachesItsGwmAndTheKernelWhileClientsHaveAllOtherDescriptors) {
  attach();
  advise({"40", "30", "20", "10"});
  start_gwm();
  start_saspd("web=tcp:192.0.2.10:80", 4, {"--metrics", "127.0.0.1:9860"});
  ASSERT_TRUE(eventually([&] { return leads_by({40, 30, 20, 10}); }, patience));
  limits(*saspd_);
  gwm_.reset();
  many_ask_the_control_socket("control");
  many_connect(*Endpoint::parse("127.0.0.1:9860"));
  const char* const question = "{}\n";
  ASSERT_TRUE(takes_no_more(*saspd_, question)) << descriptors_of(*saspd_);
  advise({"10", "20", "30", "40"});
  start_gwm();
  EXPECT_TRUE(eventually_while_they_ask(question,
                                        [&] {
                                          return leads_by({10, 20, 30, 40});
                                        }))
      << descriptors_of(*saspd_) << " descriptors";
  EXPECT_GT(saspd_->times_logged("new clients wait"), 0U);
  connect(20);
  EXPECT_EQ(failed_, 0);
  clients_.clear();
  EXPECT_TRUE(eventually([&] { return status().is_object(); }, patience))
      << "places are free again";
}

TEST_F(Crowded, SaspGwmReadsItsFilesAndHearsItsOperatorWhilePeersHaveAllOtherDescriptors) {
  attach();
  advise({"40", "30", "20", "10"});
  start_gwm({"--control", path("gwm"), "--state", path("state"), "--metrics", "off"});
  start_saspd();
  ASSERT_TRUE(eventually([&] { return leads_by({40, 30, 20, 10}); }, patience));
  limits(*gwm_);
  many_connect(*Endpoint::parse("127.0.0.1:3860"));
  ask_to_stay();
  ASSERT_TRUE(takes_no_more(*gwm_, "")) << descriptors_of(*gwm_);
  advise({"10", "20", "30", "40"});
  EXPECT_TRUE(eventually([&] { return leads_by({10, 20, 30, 40}); }, patience));
  const auto drained = net::control_request(
      path("gwm"), {{"command", "drain"}, {"member", "10.0.4.2:80"}}, patience);
  ASSERT_TRUE(drained) << drained.error().detail;
  EXPECT_FALSE(drained->contains("error")) << json::serialize(*drained);
  EXPECT_TRUE(eventually([&] { return leads_by({10, 20, 30, 0}); }, patience));
  EXPECT_TRUE(eventually([&] {
    std::ifstream state(path("state"));
    return std::string(std::istreambuf_iterator<char>(state), {}).find("drain") !=
           std::string::npos;
  })) << "the drain is kept";
}

class DryRun : public Crowded {
 protected:
  // With the flags of the one that writes.
  void start_dry_run() {
    network_.director.run([&] {
      dry_run_.emplace(Arguments{programs + "/saspd",
                                 "--backend",
                                 "xdp",
                                 "--pins",
                                 pins(),
                                 "--gwm",
                                 "127.0.0.1",
                                 "--lb-uid",
                                 lb_uid_,
                                 "--control",
                                 path("dry-run"),
                                 "--retry-min",
                                 "1",
                                 "--reconcile-interval",
                                 "1",
                                 "--service",
                                 "web=tcp:192.0.2.10:80",
                                 "--member",
                                 "web=10.0.1.2:80",
                                 "--member",
                                 "web=10.0.2.2:80",
                                 "--dry-run"},
                       path("dry-run.log"));
    });
  }
  bool would_write() {
    return eventually([&] { return dry_run_->times_logged("would write") > 0; }, patience) ||
           (ADD_FAILURE() << dry_run_->log(), false);
  }
  std::optional<Program> dry_run_;
};

// It used to take the connection of the director with its UID, and its lock.
TEST_F(DryRun, DisplacesNoDirector) {
  attach();
  advise({"40", "30", "20", "10"});
  start_gwm();
  start_saspd();
  ASSERT_TRUE(eventually([&] { return leads_by({40, 30, 20, 10}); }, patience));
  start_dry_run();
  ASSERT_TRUE(would_write()) << "the other two are not its own";
  advise({"10", "20", "30", "40"});
  EXPECT_TRUE(eventually([&] { return leads_by({10, 20, 30, 40}); }, patience));
  EXPECT_EQ(gwm_->times_logged("replaces"), 0U);
  EXPECT_EQ(gwm_->times_logged("LB 'xdp' connected"), 1U);
  EXPECT_EQ(gwm_->times_logged("LB 'xdp.dry-run' connected"), 1U);
  // And the director comes back beside it.
  saspd_->send(SIGKILL);
  ASSERT_TRUE(saspd_->wait(patience));
  start_saspd();
  advise({"40", "30", "20", "10"});
  EXPECT_TRUE(eventually([&] { return leads_by({40, 30, 20, 10}); }, patience));
  EXPECT_FALSE(dry_run_->wait(std::chrono::milliseconds{0})) << "it runs on";
}

}  // namespace
}  // namespace saspd::test
