using RlHarness.Core.Randomness;
using RlHarness.Models.Decoders;
using RlHarness.Models.Generation;
using RlHarness.Models.Kernels;
using RlHarness.Models.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace RlHarness.Models.Tests.Decoders;

/// <summary>
/// What a device would do, held without one: with the CPU's kernels off all goes through libtorch's operations, as it would there. Each read of a number and
/// each operation that is started costs time on a device that no test on a CPU would notice.
/// </summary>
[Trait("kind", "contract")]
public sealed class DevicePathTests : IDisposable
{
    private static readonly Seeds Seeds = new(3);

    public DevicePathTests() => FusedKernels.Enabled = false;

    public void Dispose() => FusedKernels.Enabled = true;

    private static GenerationRequest[] Requests(int count) =>
        [.. Enumerable.Range(0, count).Select(i => new GenerationRequest([3, 14, .. Enumerable.Range(20, i % 4)], i))];

    [Theory]
    [InlineData(1.0, 1.0, 1.0, 0)]
    [InlineData(0.0, 1.0, 1.0, 0)]
    [InlineData(0.7, 0.9, 1.3, 4)]
    public void A_generated_token_costs_one_read_for_the_whole_batch(double temperature, double topP, double penalty, int least)
    {
        using var decoder = Tiny.Decoder();
        var settings = new SamplingSettings
        {
            Temperature = temperature,
            TopP = topP,
            RepetitionPenalty = penalty,
            MinNewTokens = least,
            MaxNewTokens = 12,
            BatchSize = 3,
            StopIds = least > 0 ? [299] : [],
        };
        using var reads = new HostReads.Counter();
        var answers = new BatchGenerator(decoder).Generate(Requests(6), settings, Seeds);
        // Three places and answers of one length: the rows of a place follow one another.
        Assert.Equal(2 * answers.Max(a => a.Tokens.Count), reads.Reads);
    }

    [Fact]
    public void A_step_of_rows_that_are_drawn_in_different_ways_costs_one_read()
    {
        using var decoder = Tiny.Decoder();
        using var batch = new SlotBatch(decoder);
        using var guard = no_grad();
        SamplingSettings[] settings = [new() { MaxNewTokens = 9 }, new() { MaxNewTokens = 9, Temperature = 0 }, new() { MaxNewTokens = 9, TopK = 7 }];
        var tokens = new List<LiveToken>();
        batch.Join([
            .. Requests(4)
                .Select(
                    (r, i) =>
                        new LiveSequence(
                            r,
                            settings[i % 3],
                            Seeds.For("sample", 0, i, 0),
                            token =>
                            {
                                tokens.Add(token);
                                return true;
                            },
                            (_, _) => { }
                        )
                        {
                            TopLogprobs = i == 1 ? 2 : null,
                        }
                ),
        ]);
        using var reads = new HostReads.Counter();
        for (var step = 1; step <= 5; step++)
        {
            batch.Step();
            Assert.Equal(step, reads.Reads);
        }

        Assert.Equal(20, tokens.Count);
        Assert.Equal(5, tokens.Count(t => t.Top.Count == 2));
    }

    [Fact]
    public void Generation_gives_the_tokens_that_the_kernels_give()
    {
        using var decoder = Tiny.Decoder(headDim: 16);
        var settings = new SamplingSettings
        {
            MaxNewTokens = 24,
            BatchSize = 5,
            StopIds = [2, 17, 40],
        };
        var plain = new BatchGenerator(decoder).Generate(Requests(14), settings, Seeds);
        FusedKernels.Enabled = true;
        var fused = new BatchGenerator(decoder).Generate(Requests(14), settings, Seeds);
        foreach (var (a, b) in plain.Zip(fused))
        {
            Assert.Equal(b.Tokens, a.Tokens);
            Assert.Equal(b.Finish, a.Finish);
            foreach (var (x, y) in a.Logprobs.Zip(b.Logprobs))
                Assert.Equal(y, x, 1e-4f);
        }
    }

    /// <summary>Operations that one layer more adds.</summary>
    private static int OfALayer(ScalarType type, Action<Decoder, TokenBatch> work, params int[] lengths)
    {
        int Count(int layers)
        {
            using var scope = NewDisposeScope();
            using var decoder = new Decoder(Tiny.Config with { NumHiddenLayers = layers }, CPU, requiresGrad: true);
            Initialization.Normal(decoder, 0.3, new Seeds(1).For("weights"));
            decoder.ComputeType = type;
            var random = new Seeds(2).For("ids");
            int[][] sequences = [.. lengths.Select(l => (int[])[.. Enumerable.Range(0, l).Select(_ => random.NextInt(Tiny.Vocabulary))])];
            using var batch = TokenBatch.Pack(sequences, CPU);
            // Casts of the weights are made once, at the first use.
            work(decoder, batch);
            using var count = new OperationCount();
            work(decoder, batch);
            TestContext.Current.TestOutputHelper?.WriteLine($"{layers} layers: {count.Total}: {count.Words}");
            return count.Total;
        }

        var (two, four) = (Count(2), Count(4));
        Assert.Equal(0, (four - two) % 2);
        return (four - two) / 2;
    }

    [Theory]
    [InlineData(ScalarType.Float32, true, 26)]
    [InlineData(ScalarType.Float32, false, 30)]
    [InlineData(ScalarType.BFloat16, true, 30)]
    [InlineData(ScalarType.BFloat16, false, 34)]
    public void A_layer_starts_few_operations_forward(ScalarType type, bool equal, int budget)
    {
        using var guard = no_grad();
        var found = OfALayer(type, (decoder, batch) => decoder.Forward(batch), equal ? [40, 40] : [40, 30]);
        Assert.True(found <= budget, $"{found} operations, not {budget}");
    }

    [Theory]
    [InlineData(ScalarType.Float32, true, 72)]
    [InlineData(ScalarType.Float32, false, 81)]
    [InlineData(ScalarType.BFloat16, true, 90)]
    [InlineData(ScalarType.BFloat16, false, 99)]
    public void A_layer_starts_few_operations_forward_and_backward(ScalarType type, bool equal, int budget)
    {
        var found = OfALayer(
            type,
            (decoder, batch) =>
            {
                using var pass = decoder.Record(batch);
                using var gradient = ones_like(pass.Hidden);
                pass.Backward(gradient);
            },
            equal ? [40, 40] : [40, 30]
        );
        Assert.True(found <= budget, $"{found} operations, not {budget}");
    }

    [Theory]
    [InlineData(ScalarType.Float32, 28)]
    [InlineData(ScalarType.BFloat16, 32)]
    public void A_layer_starts_few_operations_for_a_new_token(ScalarType type, int budget)
    {
        var found = OfALayer(
            type,
            (decoder, _) =>
            {
                using var guard = no_grad();
                using var scope = NewDisposeScope();
                // Two of the operations empty the layer's cache.
                using var cache = new KeyValueCache(decoder.Config, 3, 20, type, CPU);
                long[] positions = [4, 7, 5];
                using var attention = new StepAttention(decoder.Config, cache, [0, 1, 2], positions, CPU);
                decoder.ForwardCached(tensor(new long[] { 3, 4, 5 }, device: CPU), tensor(positions, device: CPU), 7, attention);
            },
            4
        );
        Assert.True(found <= budget, $"{found} operations, not {budget}");
    }

    public static TheoryData<string, string> Mixtures() =>
        new()
        {
            { "norm", "norm: x lies on cpu and weight on meta" },
            { "norm backward", "gradient of a norm: x lies on cpu and dy on meta" },
            { "gated unit", "gradient of a gated unit: both lies on cpu and gradient on meta" },
            { "rotary", "rotary positions: x lies on cpu and cos on meta" },
            { "turn", "rotary positions: x lies on meta and cos on cpu" },
            { "logprobs", "log-probabilities: logits lies on cpu and targets on meta" },
            { "logprobs backward", "gradient of log-probabilities: logits lies on cpu and logprobGradient on meta" },
            { "embeddings", "embeddings: weight lies on cpu and ids on meta" },
            { "product", "product: x lies on meta and weight on cpu" },
            { "product backward", "product: y lies on meta and weight on cpu" },
            { "weights", "gradient of a product: total lies on cpu and input on meta" },
            { "head", "head: hidden lies on meta and HeadWeight() on cpu" },
            { "summed head", "head: input lies on meta and weight on cpu" },
            { "scalar head", "scalar head: hidden lies on meta and Parameters[Weight] on cpu" },
            { "attention", "attention: q lies on cpu and k on meta" },
            { "step", "cached attention: q lies on cpu and v on meta" },
        };

    /// <summary>libtorch takes a CPU tensor beside one of the device <c>meta</c> in many of its operations, and computes nonsense: so must not we.</summary>
    [Theory]
    [MemberData(nameof(Mixtures))]
    public void Operands_on_different_devices_are_refused_by_name(string wrapper, string words)
    {
        using var scope = NewDisposeScope();
        using var guard = no_grad();
        using var decoder = Tiny.Decoder(requiresGrad: true);
        using var batch = TokenBatch.Pack(
            [
                [3, 4, 5, 6],
            ],
            CPU
        );
        using var head = new ScalarHead(32, CPU, Seeds.For("head"));
        Tensor There(params long[] shape) => zeros(shape, dtype: ScalarType.Float32, device: META);
        Tensor Here(params long[] shape) => zeros(shape, dtype: ScalarType.Float32, device: CPU);
        Tensor Ids(Device device) => zeros(4, dtype: ScalarType.Int64, device: device);
        var logits = Here(4, 300);
        using var cache = new KeyValueCache(decoder.Config, 4, 8, ScalarType.Float32, CPU);
        using var step = new StepAttention(decoder.Config, cache, [0, 1, 2, 3], [0, 0, 0, 0], CPU);
        Action call = wrapper switch
        {
            "norm" => () => RmsNorm.Forward(Here(4, 32), null, There(32), 1e-5, ScalarType.Float32),
            "norm backward" => () => RmsNorm.Backward(There(4, 32), Here(4, 32), Here(4), Here(32), Here(4, 32), null),
            "gated unit" => () => GatedUnit.Backward(Here(4, 96), Activation.Silu, There(4, 48)),
            "rotary" => () => Rotary.Apply(Here(4, 32), 0, Here(4, 32), 0, 4, 8, There(4, 8), There(4, 8)),
            "turn" => () => Rotary.Turn(There(4, 32), 4, 8, Here(4, 8), Here(4, 8)),
            "logprobs" => () => TokenSoftmax.Forward(logits, Ids(META), 1),
            "logprobs backward" => () => TokenSoftmax.Backward(logits, Ids(CPU), 1, TokenSoftmax.Forward(logits, Ids(CPU), 1), There(4), null),
            "embeddings" => () => Embedding.Lookup(decoder.Parameters[ParameterLayout.Embeddings], Ids(META)),
            "product" => () => decoder.Linear(There(4, 32), "model.layers.0.mlp.gate_up_proj"),
            "product backward" => () => decoder.InputGradient(There(4, 96), "model.layers.0.mlp.gate_up_proj"),
            "weights" => () => decoder.AddParameterGradients(Here(4, 96), There(4, 32), "model.layers.0.mlp.gate_up_proj"),
            "head" => () => decoder.Logits(There(4, 32)),
            "summed head" => () => decoder.SummedLogits(There(4, 32)),
            "scalar head" => () => head.Forward(There(4, 32)),
            "attention" => () => new PackedAttention(decoder.Config, batch, ScalarType.Float32).Attend(0, Here(4, 32), There(4, 16), Here(4, 16)),
            _ => () => step.Attend(0, Here(4, 32), Here(4, 16), There(4, 16)),
        };
        var error = Assert.Throws<InvalidOperationException>(call);
        Assert.Equal(words, error.Message);
    }
}
