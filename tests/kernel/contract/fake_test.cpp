// SPDX-License-Identifier: Apache-2.0
// The kernel in memory that tests of the reconciler write to keeps the contract too: what they find
// out about it holds for the real ones.
#include "tests/kernel/contract/contract.hpp"
#include "tests/support/fake_dataplane.hpp"

namespace saspd::contract {
namespace {

class FakeKernel {
 public:
  static constexpr lb::Forward forward = lb::Forward::masquerade;
  static constexpr lb::Surplus surplus = lb::Surplus::keep;
  static constexpr bool is_shared = true;
  static constexpr long writes_by = 0;
  static lb::Service attributes() { return {"wlc", lb::service_flag::hashed, 0, 0xFFFFFFFF, ""}; }
  static lb::Service attributes6() { return {"wlc", lb::service_flag::hashed, 0, 128, ""}; }

  lb::Dataplane& plane() { return plane_; }
  void close() {}
  std::string shown() const { return text(plane_.table); }
  static std::string wrong() { return {}; }
  void edit(const lb::ServiceKey& service, const Endpoint& at, std::uint32_t weight) {
    plane_.table.at(service).destinations.at(at).weight = weight;
  }
  static lb::Change refused(const lb::Table& table) {
    lb::Change change{lb::Action::add_destination, web, {}, {}};
    change.destination = table.at(web).destinations.begin()->second;
    return change;
  }

 private:
  test::FakeDataplane plane_;
};

INSTANTIATE_TYPED_TEST_SUITE_P(Fake, Contract, FakeKernel);

}  // namespace
}  // namespace saspd::contract
