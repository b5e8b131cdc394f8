// saspd with every kind of service, as an operator sees it.
#include "tests/e2e/saspd/fixture.hpp"

namespace saspd::test {
namespace {

using Services = SaspdOnIpvs;

TEST_F(Services, AreCreatedOnlyWhereSaspdManagesThem) {
  start_saspd();
  ASSERT_TRUE(eventually([&] { return status().is_object(); }));
  EXPECT_FALSE(status().at_pointer("/groups/0/services/0/managed").as_bool());
  EXPECT_EQ(Ipvsadm::saved(), "");
}

}  // namespace
}  // namespace saspd::test
