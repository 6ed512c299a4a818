using RlHarness.Models.Kernels;
using static TorchSharp.torch;

namespace RlHarness.Models.Tests.Kernels;

/// <summary>Tests that change what holds for the whole process run alone.</summary>
[CollectionDefinition("process-wide", DisableParallelization = true)]
public sealed class ProcessWideTests;

[Trait("kind", "contract")]
[Collection("process-wide")]
public class KernelPolicyTests
{
    [Fact]
    public void The_setting_overrules_the_environment()
    {
        // Tests run with RLHARNESS_KERNELS=on (NativeStart).
        Assert.Equal(KernelMode.On, KernelPolicy.Mode);
        try
        {
            KernelPolicy.Choose(KernelMode.Off);
            using var x = ones(64, 64);
            Assert.False(FusedKernels.Apply(x));
            Assert.False(TiledProducts.IsSupported(x, x));
            Assert.Contains("off", KernelPolicy.Words, StringComparison.Ordinal);
        }
        finally
        {
            KernelPolicy.Choose(null);
        }

        Assert.Equal(KernelMode.On, KernelPolicy.Mode);
    }

    [Fact]
    public void The_trial_passes_for_the_package_s_libtorch_where_the_micro_kernel_is_there()
    {
        Assert.SkipUnless(Brgemm.HasFloat32, "the micro-kernel needs AVX-512 and a libtorch that exports it");
        var outcome = MicroKernelTrial.Run();
        Assert.True(outcome.Passed, outcome.Words);
        Assert.Contains("fp32 within", outcome.Words, StringComparison.Ordinal);
    }

    [Fact]
    public void A_program_that_cannot_start_itself_does_not_trust_the_micro_kernel_untried()
    {
        Assert.Null(AppContext.GetData(MicroKernelTrial.CommandKey));
        var outcome = MicroKernelTrial.Find();
        Assert.False(outcome.Passed);
        Assert.Contains("not tried", outcome.Words, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("exit 0", true, "", true)]
    [InlineData("echo wrong; exit 1", false, "refused: wrong", true)]
    [InlineData("kill -ABRT $$", false, "code 134", true)]
    // What Ctrl-C or a cluster sends to the whole group says nothing of libtorch, and would be believed ever after.
    // 130 is what SIGINT gives. It is not sent here, since what nohup or a script starts with & ignores it.
    [InlineData("exit 130", false, "code 130", false)]
    [InlineData("kill -USR1 $$", false, "code 138", false)]
    [InlineData("kill -TERM $$", false, "code 143", false)]
    public void A_child_that_fails_or_dies_is_a_refusal_and_ends_nothing_else(string script, bool passed, string words, bool kept)
    {
        var outcome = MicroKernelTrial.InChild($"/bin/sh\n-c\n{script}");
        Assert.Equal((passed, kept), (outcome.Passed, outcome.IsKept));
        Assert.Contains(words, outcome.Words, StringComparison.Ordinal);
    }
}
