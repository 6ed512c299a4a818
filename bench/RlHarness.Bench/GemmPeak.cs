using System.Diagnostics;
using static TorchSharp.torch;

namespace RlHarness.Bench;

/// <summary>The speed of a 1024 × 1024 × 1024 product, the yardstick of every other figure.</summary>
internal static class GemmPeak
{
    internal static double Measure(ScalarType type, Device device)
    {
        using var scope = NewDisposeScope();
        var (a, b) = (randn(1024, 1024, device: device).to(type), randn(1024, 1024, device: device).to(type));
        var best = 0.0;
        for (var i = 0; i < 12; i++)
        {
            using var step = NewDisposeScope();
            var watch = Stopwatch.StartNew();
            for (var k = 0; k < 4; k++) using (var c = mm(a, b)) { }
            if (device.type == TorchSharp.DeviceType.CUDA) cuda.synchronize();
            best = Math.Max(best, 4 * 2.0 * 1024 * 1024 * 1024 / watch.Elapsed.TotalSeconds);
        }

        return best;
    }
}
