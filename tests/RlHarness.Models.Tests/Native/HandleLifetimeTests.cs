using System.Diagnostics;
using System.Reflection;
using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Models.Tests.Native;

/// <summary>
/// That nothing which libtorch reads is collected while it reads it (docs/backends.md): TorchSharp's methods do not keep their arguments alive, so that the
/// build marks its assembly as one that is compiled without optimisation.
/// </summary>
[Trait("kind", "contract")]
public class HandleLifetimeTests
{
    [Fact]
    public void Torchsharp_is_compiled_so_that_arguments_live_as_long_as_calls() =>
        Assert.True(typeof(torch).Assembly.GetCustomAttribute<DebuggableAttribute>()!.IsJITOptimizerDisabled);

    /// <summary>With the package's own assembly one call in some 3,000 fails here.</summary>
    [Fact]
    public async Task Numbers_are_not_collected_while_an_operation_reads_them()
    {
        // Calls that come so often are compiled anew, with optimisation where that is allowed.
        for (var i = 0; i < 200; i++)
            Assert.Equal(3, Sum());
        await Task.Delay(300, TestContext.Current.CancellationToken);
        var done = false;
        var collector = new Thread(() =>
        {
            while (!Volatile.Read(ref done))
            {
                GC.Collect(0, GCCollectionMode.Forced, blocking: true);
                GC.WaitForPendingFinalizers();
            }
        })
        {
            IsBackground = true,
        };
        collector.Start();
        try
        {
            for (var i = 0; i < 20_000; i++)
                Assert.Equal(3, Sum());
        }
        finally
        {
            Volatile.Write(ref done, true);
            collector.Join();
        }
    }

    /// <summary>(0 + 1·1) · 3: the sum has a number that TorchSharp makes itself, the product one of ours.</summary>
    private static float Sum()
    {
        using var scope = NewDisposeScope();
        return ((zeros(4, device: CPU) + ones(4, device: CPU)) * 3.0).data<float>()[0];
    }
}
