using System.Diagnostics;
using RlHarness.Core.Randomness;
using RlHarness.Core.Runs;
using RlHarness.Models.Decoders;
using RlHarness.Models.Generation;
using RlHarness.Models.Parallel;
using RlHarness.Training.Batching;
using RlHarness.Training.Collectives;
using RlHarness.Training.Ppo;
using RlHarness.Training.Rewards;
using RlHarness.Training.Rollouts;
using RlHarness.Training.Supervised;
using static TorchSharp.torch;

namespace RlHarness.Training.Measuring;

/// <summary>A model's shape, to be filled with random weights and timed: speed depends on the shape, not on what the weights hold.</summary>
public sealed record ModelShape(string Name, DecoderConfig Config)
{
    /// <summary>Four layers of width 128, as in configs/quickstart.yaml.</summary>
    public static ModelShape Tiny { get; } = new("1 M", Llama(4, 128, 344, 4, 2, 1536));

    /// <summary>The shape of SmolLM2-135M.</summary>
    public static ModelShape Small { get; } = new("135 M", Llama(30, 576, 1536, 9, 3, 49152));

    /// <summary>The shape of Llama 3.2 1B.</summary>
    public static ModelShape Billion { get; } = new("1 B", Llama(16, 2048, 8192, 32, 8, 128256));

    public double Parameters => new ParameterLayout(Config).Parameters.Sum(p => (double)p.Count);

    /// <summary>Operations of a forward pass: two operations for each weight of a product; the embeddings are one by way of the tied head.</summary>
    public double FlopsPerToken => 2 * new ParameterLayout(Config).Parameters.Where(p => p.Decays).Sum(p => (double)p.Count);

    public static DecoderConfig Llama(int layers, int hidden, int intermediate, int heads, int keyValueHeads, int vocabulary) =>
        new()
        {
            ModelType = "llama",
            VocabSize = vocabulary,
            HiddenSize = hidden,
            IntermediateSize = intermediate,
            NumHiddenLayers = layers,
            NumAttentionHeads = heads,
            NumKeyValueHeads = keyValueHeads,
            HeadDim = hidden / heads,
            TieWordEmbeddings = true,
            MaxPositionEmbeddings = 2048,
            Rope = new() { RopeTheta = 10000 },
        };
}

/// <summary>Times updates and generation of a shape with random weights.</summary>
/// <param name="ranks">Who shares the steps of <see cref="MeasureRankedUpdate"/> and <see cref="MeasureRankedPpo"/>; null: one process does them.</param>
public sealed class ShapeSpeed(ModelShape shape, ScalarType type, Device device, Ranks? ranks = null)
{
    private readonly Ranks _ranks = ranks ?? Ranks.Alone;

    private const int PromptLength = 100;

    /// <summary>
    /// Runs of generation, the shortest of which counts: a small model is done in a few hundred milliseconds, which another program easily takes.
    /// </summary>
    private const int Runs = 8;

    /// <param name="TokensPerSecond">Of the best of the timed steps.</param>
    /// <param name="ManagedBytesPerToken">What the garbage collector has to clean up.</param>
    /// <param name="PeakGiB">Largest resident set of the process while it updates: weights, gradients, moments and activations, the runtime and
    /// libtorch itself included. NaN where the system doesn't say.</param>
    public sealed record Update(int Sequences, int Length, double TokensPerSecond, double ManagedBytesPerToken, double PeakGiB);

    /// <param name="TokensPerSecond">New tokens, without the time that the prompts take.</param>
    /// <param name="PrefillTokensPerSecond">Prompt tokens.</param>
    public sealed record Decode(int Batch, int NewTokens, double TokensPerSecond, double PrefillTokensPerSecond);

    /// <summary>Supervised steps: forward, backward, AdamW.</summary>
    public Update MeasureUpdate(int sequences, int length, int microBatchTokens, int runs)
    {
        using var decoder = New(requiresGrad: true);
        FreeMemory.Release();
        ProcessMemory.ResetPeak();
        var batch = Sequences(sequences, length);
        using var trainer = new SupervisedTrainer(decoder, new() { LearningRate = 1e-5 }, microBatchTokens);
        trainer.Step(batch, 1e-5);
        var best = double.MaxValue;
        var before = GC.GetTotalAllocatedBytes();
        for (var i = 0; i < runs; i++)
        {
            MatrixProductSpeed.Synchronize(device);
            var watch = Stopwatch.StartNew();
            trainer.Step(batch, 1e-5);
            MatrixProductSpeed.Synchronize(device);
            best = Math.Min(best, watch.Elapsed.TotalSeconds);
        }

        var tokens = sequences * length;
        return new(sequences, length, tokens / best, (GC.GetTotalAllocatedBytes() - before) / (double)(runs * tokens), ProcessMemory.PeakGiB());
    }

    /// <summary>Generation with different prompts of 100 tokens, for each batch size.</summary>
    public IEnumerable<Decode> MeasureDecode(IReadOnlyList<int> batches, int newTokens)
    {
        using var decoder = New(requiresGrad: false);
        var generator = new BatchGenerator(decoder);
        foreach (var size in batches)
        {
            var requests = Enumerable
                .Range(0, size)
                .Select(i => new GenerationRequest([.. Enumerable.Range(0, PromptLength).Select(t => (t * 7 + i) % shape.Config.VocabSize)], i))
                .ToArray();
            double Time(int tokens)
            {
                var watch = Stopwatch.StartNew();
                generator.Generate(requests, new SamplingSettings { MaxNewTokens = tokens, BatchSize = size }, new Seeds(3));
                return watch.Elapsed.TotalSeconds;
            }

            Time(2);
            var prefill = Enumerable.Range(0, Runs).Min(_ => Time(1));
            var total = Enumerable.Range(0, Runs).Min(_ => Time(newTokens + 1));
            // Where another program took the cores during the prompts alone, their time can't be told apart: then it counts as generation.
            var seconds = total > 1.1 * prefill ? total - prefill : total;
            yield return new(size, newTokens, size * newTokens / seconds, size * PromptLength / prefill);
        }
    }

    /// <summary>
    /// Seconds for answers whose lengths are spread evenly over a range, in one batch after another that waits for its slowest, and in one batch whose places
    /// are filled again. Every answer has its length by a cap of its own: no token matters.
    /// </summary>
    /// <param name="places">Rows that decode together.</param>
    /// <param name="answers">Answers in all.</param>
    /// <param name="shortest">Tokens of the shortest answer.</param>
    /// <param name="longest">Tokens of the longest.</param>
    public (double Batches, double Continuous) MeasureSpread(int places, int answers, int shortest, int longest)
    {
        using var decoder = New(requiresGrad: false);
        var generator = new BatchGenerator(decoder);
        var random = new Seeds(7).For("lengths");
        GenerationRequest[] requests =
        [
            .. Enumerable
                .Range(0, answers)
                .Select(i => new GenerationRequest([.. Enumerable.Range(0, PromptLength).Select(t => (t * 7 + i) % shape.Config.VocabSize)], i)
                {
                    MaxNewTokens = shortest + random.NextInt(longest - shortest + 1),
                }),
        ];
        var settings = new SamplingSettings { MaxNewTokens = longest, BatchSize = places };
        double Time(IEnumerable<GenerationRequest[]> batches)
        {
            var watch = Stopwatch.StartNew();
            foreach (var batch in batches)
                generator.Generate(batch, settings, new Seeds(3));
            return watch.Elapsed.TotalSeconds;
        }

        Time([requests[..2]]);
        return (Time(requests.Chunk(places)), Time([requests]));
    }

    /// <param name="Seconds">Of the best of the timed steps.</param>
    /// <param name="PeakGiB">Largest resident set of the process meanwhile.</param>
    /// <param name="FirstLoss">Policy loss of the first step's first minibatch, which packing may change by rounding alone.</param>
    public sealed record PpoStep(double Seconds, double PeakGiB, double FirstLoss);

    /// <summary>
    /// A PPO step of one epoch and one minibatch with four models, as TRL counts it: rewards, old and reference log-probabilities, values, and the update of
    /// policy and critic. Queries share a system text; the samples of a query share its prompt.
    /// </summary>
    /// <param name="system">Tokens of the text that all prompts begin with.</param>
    /// <param name="queries">Different prompts.</param>
    /// <param name="prompt">Tokens of a prompt behind the system text.</param>
    /// <param name="samples">Responses of a prompt.</param>
    /// <param name="response">Tokens of a response.</param>
    /// <param name="microBatchTokens">Rows that go through a model at once.</param>
    /// <param name="runs">Steps that are timed, behind one that is not.</param>
    /// <param name="trees">Whether batches are packed as trees.</param>
    public PpoStep MeasurePpo(int system, int queries, int prompt, int samples, int response, int microBatchTokens, int runs, bool trees)
    {
        FreeMemory.Release();
        ProcessMemory.ResetPeak();
        var random = new Seeds(4).For("ppo");
        int[] Draw(int count) => [.. Enumerable.Range(0, count).Select(_ => random.NextInt(shape.Config.VocabSize))];
        var shared = Draw(system);
        var episodes = new List<Episode>();
        for (var q = 0; q < queries; q++)
        {
            int[] ids = [.. shared, .. Draw(prompt)];
            for (var i = 0; i < samples; i++)
                episodes.Add(new(ids, Draw(response), random.NextGaussian(), q));
        }

        using var models = new PpoModels(this, microBatchTokens, trees);
        var (best, first) = (double.MaxValue, double.NaN);
        for (var i = 0; i <= runs; i++)
        {
            MatrixProductSpeed.Synchronize(device);
            var watch = Stopwatch.StartNew();
            models.Reward.Score([.. episodes.Select(e => (IReadOnlyList<int>)[.. e.Prompt, .. e.Response])]);
            using var iteration = models.Trainer.Iterate(episodes, _ => [.. Enumerable.Range(0, episodes.Count)], 1);
            MatrixProductSpeed.Synchronize(device);
            if (i == 0)
                first = iteration.Updates[0].PolicyLoss;
            else
                best = Math.Min(best, watch.Elapsed.TotalSeconds);
        }

        return new(best, ProcessMemory.PeakGiB(), first);
    }

    /// <param name="Seconds">Of the best of the timed steps, on this rank.</param>
    /// <param name="CommunicationShare">Share of that step which this rank spent with the others, waiting included.</param>
    public sealed record RankedStep(double Seconds, double CommunicationShare);

    /// <summary>A supervised step that ranks share, each of them with so many sequences.</summary>
    public RankedStep MeasureRankedUpdate(int sequencesOfRank, int length, int microBatchTokens, int runs)
    {
        using var decoder = New(requiresGrad: true);
        var batch = Sequences(sequencesOfRank * _ranks.Size, length);
        using var trainer = new SupervisedTrainer(decoder, new() { LearningRate = 1e-5 }, microBatchTokens, _ranks);
        return Timed(runs, _ => trainer.Step(batch, 1e-5));
    }

    /// <summary>A PPO step that ranks share, each with so many prompts: answers, rewards, log-probabilities, values, update of policy and critic.</summary>
    public RankedStep MeasureRankedPpo(int promptsOfRank, int prompt, int response, int microBatchTokens, int runs)
    {
        using var models = new PpoModels(this, microBatchTokens, trees: true);
        var generator = new BatchGenerator(models.Policy);
        var random = new Seeds(4).For("ppo");
        GenerationRequest[] requests = [.. Sequences(promptsOfRank * _ranks.Size, prompt).Select((s, i) => new GenerationRequest(s.Ids, i))];
        var settings = new SamplingSettings { MaxNewTokens = response, BatchSize = promptsOfRank };
        var rewards = requests.Select(_ => random.NextGaussian()).ToArray();
        return Timed(runs, step =>
        {
            var answers = _ranks.IsAlone
                ? generator.Generate(requests, settings, new Seeds(3), step)
                : SharedGeneration.Generate(generator, _ranks, requests, settings, new Seeds(3), step, null, null);
            var episodes = answers.Select((a, i) => new Episode(a.Request.Ids, a.Tokens, rewards[i], i)).ToArray();
            models.Reward.Score([.. episodes.Select(e => (IReadOnlyList<int>)[.. e.Prompt, .. e.Response])]);
            using var iteration = models.Trainer.Iterate(episodes, _ => [.. Enumerable.Range(0, episodes.Length)], 1);
        });
    }

    /// <summary>The best of some steps behind one that is not timed; ranks begin each together.</summary>
    private RankedStep Timed(int runs, Action<int> step)
    {
        step(0);
        var best = new RankedStep(double.MaxValue, 0);
        for (var i = 1; i <= runs; i++)
        {
            _ranks.Barrier("a timed step");
            MatrixProductSpeed.Synchronize(device);
            var (before, watch) = (_ranks.CommunicationSeconds, Stopwatch.StartNew());
            step(i);
            MatrixProductSpeed.Synchronize(device);
            var seconds = watch.Elapsed.TotalSeconds;
            if (seconds < best.Seconds)
                best = new(seconds, (_ranks.CommunicationSeconds - before) / seconds);
        }

        return best;
    }

    private ScoredSequence[] Sequences(int count, int length)
    {
        var random = new Seeds(2).For("tokens");
        return
        [
            .. Enumerable
                .Range(0, count)
                .Select(_ => new ScoredSequence(
                    [.. Enumerable.Range(0, length).Select(_ => random.NextInt(shape.Config.VocabSize))],
                    [.. Enumerable.Range(1, length - 1)]
                )),
        ];
    }

    /// <summary>The four models of a PPO step of one epoch and one minibatch.</summary>
    private sealed class PpoModels : IDisposable
    {
        private readonly Decoder _reference;
        private readonly Critic _critic;

        internal PpoModels(ShapeSpeed speed, int microBatchTokens, bool trees)
        {
            var (shape, device) = speed.Place;
            Policy = speed.New(requiresGrad: true, trees);
            _reference = speed.New(requiresGrad: false, trees);
            _critic = new Critic(new ScalarHead(shape.Config.HiddenSize, device, new Seeds(5).For("head")), speed.New(requiresGrad: true, trees));
            Reward = new RewardModel(
                speed.New(requiresGrad: false, trees),
                new ScalarHead(shape.Config.HiddenSize, device, new Seeds(6).For("head"), requiresGrad: false),
                microBatchTokens,
                speed._ranks
            );
            Trainer = new PpoTrainer(
                Policy,
                _reference,
                _critic,
                new PpoSettings
                {
                    Epochs = 1,
                    Minibatches = 1,
                    MicroBatchTokens = microBatchTokens,
                    Optimizer = new() { LearningRate = 1e-6 },
                },
                firstRatioTolerance: 1e-2,
                ranks: speed._ranks
            );
        }

        internal Decoder Policy { get; }

        internal RewardModel Reward { get; }

        internal PpoTrainer Trainer { get; }

        public void Dispose()
        {
            Trainer.Dispose();
            Reward.Dispose();
            _critic.Dispose();
            _reference.Dispose();
            Policy.Dispose();
        }
    }

    private (ModelShape Shape, Device Device) Place => (shape, device);

    private Decoder New(bool requiresGrad, bool trees = true)
    {
        var decoder = new Decoder(shape.Config, device, requiresGrad: requiresGrad) { ComputeType = type, AllowsTrees = trees };
        Initialization.Normal(decoder, 0.02, new Seeds(1).For("init"));
        return decoder;
    }
}
