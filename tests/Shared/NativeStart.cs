#if TORCH
using System.Runtime.CompilerServices;

namespace RlHarness.Tests;

internal static class NativeStart
{
    // Tests may touch TorchSharp before anything of RlHarness.Models, which is what makes it load.
    [ModuleInitializer]
    internal static void Load()
    {
        // The libtorch under test is the package's own: tests use its micro-kernel without a trial.
        if (Environment.GetEnvironmentVariable("RLHARNESS_KERNELS") is null or "")
            Environment.SetEnvironmentVariable("RLHARNESS_KERNELS", "on");
        RlHarness.Models.Native.NativeRuntime.EnsureLoaded();
        AppContext.SetSwitch(RlHarness.Models.Native.OperandDevices.Switch, true);
        // Test projects run side by side: two threads each would wait for one another's processor.
        TorchSharp.torch.set_num_threads(1);
    }
}
#endif
