#include <gtest/gtest.h>

#include "util/mutate.h"
#include "util/strings.h"
#include "zds/messages.h"

namespace fairlead::zds {
namespace {

TEST(Zds, HasIstiosWireFormAndSurvivesDamagedMessages) {
  ForEachMutation(
      {AddMessage("uid", "name", "ns", "sa"), KeepMessage("u"), DeleteMessage("u"), AckMessage("e"), HelloMessage()},
      3000, [](const std::string& bytes) {
        (void)ReadRequest(bytes).ok();
        (void)ReadAck(bytes).ok();
        (void)CheckHello(bytes).ok();
      });
  // field 1 {uid: "u" (1), workload_info (2): {"n" (1), "s" (2), "a" (3)}}, as istio's zds.proto numbers them
  EXPECT_EQ(HexEncode(AddMessage("u", "n", "s", "a")),
            "0a0e"
            "0a0175"
            "1209"
            "0a016e"
            "120173"
            "1a0161");
  EXPECT_EQ(HexEncode(KeepMessage("u")), "2a030a0175");
  EXPECT_EQ(HexEncode(DeleteMessage("u")), "1203120175");
  EXPECT_EQ(HexEncode(SnapshotSentMessage()), "1a00");
  EXPECT_EQ(HexEncode(HelloMessage()), "0801");
}

}  // namespace
}  // namespace fairlead::zds
