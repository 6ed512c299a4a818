using System.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Training.Measuring;

/// <summary>Speed of a 1024 × 1024 × 1024 product, the yardstick of every other figure: what the machine can do, measured in the same process.</summary>
public static class MatrixProductSpeed
{
    private const double FlopsOfProduct = 2.0 * 1024 * 1024 * 1024;

    /// <summary>Floating-point operations a second, the best of several rounds.</summary>
    /// <param name="limit">No new round starts after so long; the first two always run.</param>
    public static double Measure(ScalarType type, Device device, TimeSpan limit)
    {
        using var guard = no_grad();
        using var scope = NewDisposeScope();
        var (a, b) = (
            ones(1024, 1024, dtype: ScalarType.Float32, device: device).to(type),
            ones(1024, 1024, dtype: ScalarType.Float32, device: device).to(type)
        );
        var clock = Stopwatch.StartNew();
        var best = 0.0;
        for (var round = 0; round < 2 || clock.Elapsed < limit; round++)
        {
            var repeat = device.type == DeviceType.CUDA ? 50 : 2;
            Synchronize(device);
            var watch = Stopwatch.StartNew();
            for (var k = 0; k < repeat; k++)
                mm(a, b).Dispose();
            Synchronize(device);
            best = Math.Max(best, repeat * FlopsOfProduct / watch.Elapsed.TotalSeconds);
        }

        return best;
    }

    /// <summary>Waits for a GPU's queue; nothing to do on a CPU.</summary>
    internal static void Synchronize(Device device)
    {
        if (device.type == DeviceType.CUDA)
            cuda.synchronize(device);
    }
}
