// Measures speed in tokens a second and as a share of what the machine's matrix product can do, measured in the same run.
//   dotnet run -c Release --project bench/RlHarness.Bench -- [tiny|smollm2|all|1b|tree|ppo|spread] [fp32|bf16] [cpu|cuda] [whole|update|decode]
// tree: PPO steps of the 135 M shape whose prompts share a long system text, packed as trees and as before trees; ppo: one without a shared text.
// spread: answers of very different lengths, in batches and with places that are filled again.
// whole: updates in one piece, without micro-batches; update, decode: that part only.
//   dotnet run -c Release --project bench/RlHarness.Bench -- serve RUN [seconds]
// 64 clients of `serve` against the batch generator, on a run's model.
using System.Diagnostics;
using System.Globalization;
using RlHarness.Bench;
using RlHarness.Models.Kernels;
using RlHarness.Models.Native;
using RlHarness.Training.Measuring;
using TorchSharp;

CultureInfo.CurrentCulture = CultureInfo.InvariantCulture;

// Nobody tries the micro-kernel here; RLHARNESS_KERNELS=off measures without it.
if (Environment.GetEnvironmentVariable(KernelPolicy.Variable) is null)
    KernelPolicy.Choose(KernelMode.On);
if (args is ["serve", var run, ..])
    return await ServingLoad.RunAsync(run, TimeSpan.FromSeconds(args.Length > 2 ? double.Parse(args[2], CultureInfo.InvariantCulture) : 120));
var name = args.Length > 0 ? args[0] : "tiny";
var type = args.Contains("bf16") ? torch.ScalarType.BFloat16 : torch.ScalarType.Float32;
var device = Devices.Choose(args.FirstOrDefault(a => a.StartsWith("cuda", StringComparison.Ordinal)) ?? "cpu");
var peak = MatrixProductSpeed.Measure(type, device, TimeSpan.FromSeconds(2));
Console.WriteLine($"{Environment.ProcessorCount} cores, {torch.get_num_threads()} threads, {device}, {type}: matrix product 1024³ at {peak / 1e9:f0} GFLOPS");
if (name is "tiny" or "all")
    Measure(ModelShape.Tiny, length: 160, sequences: 32, microBatchTokens: 4096, runs: 8, batches: [1, 32, 128], newTokens: 60);
if (name is "smollm2" or "all")
    Measure(ModelShape.Small, length: 256, sequences: 8, microBatchTokens: args.Contains("whole") ? 2048 : 512, runs: 3, batches: [1, 32], newTokens: 32);
if (name is "1b")
    Measure(ModelShape.Billion, length: 256, sequences: 8, microBatchTokens: 2048, runs: 3, batches: [1, 32, 128], newTokens: 64);
if (name is "tree")
{
    Ppo("8 x (1,000 shared + 64 + 32)", system: 1000, queries: 8, prompt: 64, samples: 1, response: 32);
    Ppo("4 queries x 8 samples x (1,000 shared + 64 + 64)", system: 1000, queries: 4, prompt: 64, samples: 8, response: 64);
}

if (name is "spread")
{
    var (batches, continuous) = new ShapeSpeed(ModelShape.Small, type, device).MeasureSpread(places: 32, answers: 128, shortest: 8, longest: 256);
    Console.WriteLine(
        $"128 answers of 8 to 256 tokens, 32 at a time: {batches:f1} s in batches that wait for their slowest, {continuous:f1} s with places filled "
            + $"again; ratio {batches / continuous:f2}"
    );
}

if (name is "ppo")
    Ppo("16 x (64 + 64)", system: 0, queries: 16, prompt: 64, samples: 1, response: 64);
Console.WriteLine($"peak memory {Process.GetCurrentProcess().PeakWorkingSet64 / (double)(1 << 30):f2} GiB");
return 0;

void Measure(ModelShape shape, int length, int sequences, int microBatchTokens, int runs, int[] batches, int newTokens)
{
    var flops = shape.FlopsPerToken;
    Console.WriteLine($"{shape.Name}: {shape.Parameters / 1e6:f1} M parameters; peak {peak / flops:f0} tokens/s forward, {peak / (3 * flops):f0} update");
    var speed = new ShapeSpeed(shape, type, device);
    if (!args.Contains("decode"))
        Update();
    if (args.Contains("update") || args.Contains("whole"))
        return;
    foreach (var decode in speed.MeasureDecode(batches, newTokens))
        Console.WriteLine(
            $"  decode, batch {decode.Batch}: {decode.TokensPerSecond:f0} tokens/s, {100 * decode.TokensPerSecond * flops / peak:f0} % of "
                + $"the matrix product; prefill {decode.PrefillTokensPerSecond:f0} tokens/s"
        );

    void Update()
    {
        var update = speed.MeasureUpdate(sequences, length, microBatchTokens, runs);
        Console.WriteLine(
            $"  update {sequences} x {length}: {update.TokensPerSecond:f0} tokens/s, {100 * update.TokensPerSecond * 3 * flops / peak:f0} "
                + $"% of the matrix product, {update.ManagedBytesPerToken:f0} managed bytes a token, peak memory {update.PeakGiB:f2} GiB in "
                + $"micro-batches of {microBatchTokens} tokens"
        );
    }
}

void Ppo(string what, int system, int queries, int prompt, int samples, int response)
{
    var speed = new ShapeSpeed(ModelShape.Small, type, device);
    ShapeSpeed.PpoStep Step(bool trees) => speed.MeasurePpo(system, queries, prompt, samples, response, microBatchTokens: 4096, runs: 2, trees);
    var packed = Step(true);
    Console.WriteLine($"PPO step, four {ModelShape.Small.Name} models, {what}: {packed.Seconds:f2} s, {packed.PeakGiB:f2} GiB");
    if (system == 0)
        return;
    var flat = Step(false);
    Console.WriteLine(
        $"  without trees: {flat.Seconds:f2} s, {flat.PeakGiB:f2} GiB; ratio {flat.Seconds / packed.Seconds:f2}; first policy loss {packed.FirstLoss:g6} "
            + $"and {flat.FirstLoss:g6}"
    );
}
