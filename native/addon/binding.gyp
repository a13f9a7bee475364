# The C++ addon: `npm run build:addon`. Not at the root of the package: there, pnpm up to 9 and yarn up
# to 4.13 build at installation what has a binding.gyp, whatever `gypfile` says, and newer ones complain.
{
  "variables": {"warren_portable%": 0, "build_dir%": "<(module_root_dir)/../../build"},
  "target_defaults": {
    "dependencies": ["<!(node -p \"require('node-addon-api').targets\"):node_addon_api"],
    "defines": [
      "NAPI_VERSION=8",
      "WARREN_VERSION=<!(node -p \"require('../../package.json').version\")",
    ],
    "sources": [
      "addon.cc",
      "direction.cc",
      "relay.cc",
      "relay_thread.cc",
      "tcp_link.cc",
    ],
    # It waits for system calls: what is smaller is no slower.
    "cflags": ["-Wall", "-Wextra", "-Werror", "-fvisibility=hidden", "-Os"],
    "cflags!": ["-O3"],
    "cflags_cc!": ["-std=gnu++17", "-std=gnu++20"],
    "cflags_cc": ["-std=c++20"],
    "xcode_settings": {
      "CLANG_CXX_LANGUAGE_STANDARD": "c++20",
      "GCC_SYMBOLS_PRIVATE_EXTERN": "YES",
      "MACOSX_DEPLOYMENT_TARGET": "11.0",
      "OTHER_CFLAGS": ["-Wall", "-Wextra", "-Werror"],
    },
    "conditions": [["OS=='linux'", {"ldflags": ["-s"]}]],
  },
  "targets": [
    {
      "target_name": "warren_addon",
      "product_dir": "<(build_dir)/Release",
      "conditions": [
        [
          "OS=='linux'",
          {"sources": ["pipes_linux.cc", "reactor_epoll.cc"]},
          {"sources": ["pipes_portable.cc", "reactor_poll.cc"]},
        ],
      ],
    },
  ],
  "conditions": [
    # What other systems have, on Linux, for its tests.
    [
      "OS=='linux' and warren_portable==1",
      {
        "targets": [
          {
            "target_name": "warren_addon_portable",
            "product_dir": "<(build_dir)/Portable",
            "defines": ["WARREN_PORTABLE"],
            "sources": ["pipes_portable.cc", "reactor_poll.cc"],
          },
        ],
      },
    ],
  ],
}
