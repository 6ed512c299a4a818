// Measures speed in tokens a second and as a share of what the machine's matrix product can do, measured in the same run.
//   dotnet run -c Release --project bench/RlHarness.Bench -- [tiny|smollm2|all] [fp32|bf16] [cpu|cuda]
using System.Diagnostics;
using System.Globalization;
using RlHarness.Bench;
using RlHarness.Models.Native;
using TorchSharp;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;
var shape = args.Length > 0 ? args[0] : "tiny";
var type = args.Contains("bf16") ? torch.ScalarType.BFloat16 : torch.ScalarType.Float32;
var device = Devices.Choose(args.FirstOrDefault(a => a.StartsWith("cuda", StringComparison.Ordinal)) ?? "cpu");
var peak = GemmPeak.Measure(type, device);
Console.WriteLine($"{Environment.ProcessorCount} cores, {torch.get_num_threads()} threads, {device}, {type}: matrix product 1024³ at {peak / 1e9:f0} GFLOPS");
foreach (var s in Shapes.Of(shape))
{
    var flops = s.FlopsPerToken;
    Console.WriteLine($"{s.Name}: {s.Parameters / 1e6:f1} M parameters; peak {peak / flops:f0} tokens/s forward, {peak / (3 * flops):f0} update");
    s.Update(type, device, peak);
    s.Decode(type, device, peak);
}

Console.WriteLine($"peak memory {Process.GetCurrentProcess().PeakWorkingSet64 / (double)(1 << 30):f2} GiB");
