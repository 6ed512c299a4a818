using RlHarness.Experiment.Packs;
using RlHarness.Experiment.Scenarios;
using RlHarness.Formats.Files;
using RlHarness.Formats.Tokenizers;
using RlHarness.Models.Decoders;
using RlHarness.Models.Loading;
using RlHarness.Models.Parallel;
using RlHarness.Recipes.Settings;
using RlHarness.Recipes.Stages;
using RlHarness.Training.Measuring;

namespace RlHarness.Recipes.Planning;

/// <summary>What one stage costs, before anything has started.</summary>
/// <param name="Name">As in <c>stages</c>.</param>
/// <param name="Tokens">Tokens that models read or write.</param>
/// <param name="Operations">Floating-point operations, divided by the share of the matrix product's speed that such work reaches.</param>
/// <param name="MemoryGiB">Largest at one time.</param>
/// <param name="DiskGiB">What stays in the run's folder and the cache.</param>
/// <param name="What">How the tokens come about.</param>
public sealed record StagePlan(string Name, double Tokens, double Operations, double MemoryGiB, double DiskGiB, string What)
{
    /// <param name="speed">Speed of the matrix product, in operations a second.</param>
    public double Seconds(double speed) => Operations / speed;
}

/// <summary>What a run needs and costs, from its settings alone: nothing is loaded but a model's index and tokenizer.</summary>
/// <param name="Parameters">Number of parameters of one copy of the model.</param>
public sealed record RunPlan(double Parameters, IReadOnlyList<StagePlan> Stages)
{
    private const double Gib = 1 << 30;

    // Shares of the matrix product's speed that the quickstart reached on two idle cores: forward and backward, forward alone, and generation with a batch.
    // Tokens are counted as if each sequence were alone; that a batch computes its common prefix once is in the shares.
    private const double UpdateShare = 0.8;
    private const double ScoreShare = 1.0;
    private const double SmallDecodeShare = 0.1;

    // A small model's generation waits between its operations; a larger one's products count (docs/speed.md).
    private const double LargeDecodeShare = 0.35;
    private const double ProcessGiB = 0.6;

    public double MemoryGiB => Stages.Max(s => s.MemoryGiB);

    public double DiskGiB => Stages.Sum(s => s.DiskGiB) + 0.1;

    public double Tokens => Stages.Sum(s => s.Tokens);

    /// <summary>Parameters of the model that a run starts from.</summary>
    internal static double ParametersOf(RunSettings settings)
    {
        using var opened = settings.Model.Path is { } path ? ModelLoader.Open(ModelLibrary.Find(path)) : null;
        return new ModelShape("", opened?.Config ?? BaseModel.NewConfig(settings.Model.New, settings.Model.New.VocabSize)).Parameters;
    }

    public static RunPlan Of(RunSettings settings)
    {
        using var opened = settings.Model.Path is { } path ? ModelLoader.Open(ModelLibrary.Find(path)) : null;
        var config = opened?.Config ?? BaseModel.NewConfig(settings.Model.New, settings.Model.New.VocabSize);
        var shape = new ModelShape("plan", config);
        settings = Counted(settings);
        var lengths = Lengths.Of(settings, opened);
        var work = new Work(settings, config, shape.Parameters, shape.FlopsPerToken, lengths);
        var stages = new List<StagePlan>();
        if (settings.ReadsCorpus)
            stages.Add(
                new(
                    StageNames.Corpus,
                    0,
                    0,
                    ProcessGiB,
                    settings.Corpus.Transcripts * 3000.0 / Gib,
                    $"{settings.Corpus.Transcripts} transcripts of about {lengths.Prompt + lengths.Answer:f0} tokens, {settings.Corpus.PreferencePairs} pairs"
                )
            );
        if (settings.Stages.Contains(StageNames.Documents))
            stages.Add(work.Documents());
        if (settings.Stages.Contains(StageNames.Imitate))
            stages.Add(work.Imitate());
        if (settings.Stages.Contains(StageNames.Reward))
            stages.Add(work.Reward());
        if (settings.Stages.Contains(StageNames.Rl))
            stages.Add(work.Rl());
        return new(shape.Parameters, stages);
    }

    /// <summary>The settings with the numbers of transcripts and pairs that files of somebody's own hold.</summary>
    private static RunSettings Counted(RunSettings settings)
    {
        if (settings.Corpus.TranscriptsFile is null && settings.Corpus.PreferencesFile is null)
            return settings;
        var pack = PackLibrary.Load(settings.Experiment.Pack);
        var corpus = CorpusStage.Make(settings, pack, settings.Experiment.ToCondition(pack), new Core.Randomness.Seeds((ulong)settings.Seed));
        return settings with { Corpus = settings.Corpus with { Transcripts = corpus.Transcripts.Count, PreferencePairs = corpus.Pairs.Count } };
    }

    /// <summary>Mean lengths in tokens.</summary>
    private sealed record Lengths(double Prompt, double Answer, double Pair)
    {
        private const int Sample = 64;

        internal static Lengths Of(RunSettings settings, ModelLoader.Opened? opened)
        {
            var pack = PackLibrary.Load(settings.Experiment.Pack);
            var sample = settings with { Corpus = settings.Corpus with { Transcripts = Sample, PreferencePairs = Sample } };
            var corpus = CorpusStage.Make(sample, pack, settings.Experiment.ToCondition(pack), new Core.Randomness.Seeds((ulong)settings.Seed));
            var count = Counter(settings, opened);
            return new(
                corpus.Transcripts.Average(t => count(t.System) + count(t.User)),
                corpus.Transcripts.Average(t => count(t.AssistantText)),
                corpus.Pairs.Average(p => (2 * count(p.User)) + count(p.Chosen) + count(p.Rejected))
            );
        }

        /// <summary>Tokens of a message with what the template puts around it; for a tokenizer that is yet to be trained, by its usual compression.</summary>
        private static Func<string, double> Counter(RunSettings settings, ModelLoader.Opened? opened)
        {
            const int around = 5;
            const double charactersPerToken = 4.3;
            if (opened is null)
                return text => (text.Length / charactersPerToken) + around;
            var tokenizer = opened.IsGguf ? Tokenizer.FromGguf((GgufFile)opened.Weights) : Tokenizer.Load(ModelLibrary.Find(settings.Model.Path!));
            return text => tokenizer.Encode(text).Length + around;
        }
    }

    private sealed record Work(RunSettings Settings, DecoderConfig Config, double Parameters, double FlopsPerToken, Lengths Lengths)
    {
        private double Weights => Parameters * 4 / Gib;

        private int Tiers => Settings.Experiment.ToCondition().Tiers.Count;

        private bool Adapts => Settings.Rl.Adapter is not null;

        /// <summary>
        /// A document is taken at about the length of a transcript's prompt, and one of the user's own at a thousand characters a kilobyte of its
        /// files.
        /// </summary>
        internal StagePlan Documents()
        {
            var s = Settings.Documents;
            var all = s.Path is { } path ? Directory.EnumerateFiles(path).Sum(f => new FileInfo(f).Length) / 4.3 : s.Count * Lengths.Prompt;
            var tokens = s.Epochs * all * (1 - s.ValidationFraction);
            var (evaluated, operations, looks) = Looks(tokens);
            return new(
                StageNames.Documents,
                tokens + evaluated,
                Update(tokens, s.SequenceLength) + operations,
                Memory(s.Adapter is null ? 4 : 1.1, s.MicroBatchTokens),
                2 * Weights,
                $"{s.Epochs:g3} epochs of {(s.Path is null ? $"{s.Count} documents" : s.Path)}{looks}"
            );
        }

        /// <summary>Evaluations of the model while it reads so many tokens.</summary>
        private (double Tokens, double Operations, string What) Looks(double read)
        {
            var e = Settings.Evaluate;
            if (!DocumentsStage.Evaluates(Settings))
                return (0, 0, "");
            var evaluations = 1 + Math.Ceiling(read / e.EveryDocumentTokens);
            var answers = evaluations * Tiers * e.DocumentQueries * e.SamplesPerQuery;
            // A model that has not learnt to answer does not learn to end either.
            var length = Lengths.Prompt + Settings.Rl.MaxNewTokens;
            return (
                answers * length,
                answers * Forward(length) * ((Settings.Rl.MaxNewTokens / DecodeShare) + (Lengths.Prompt / ScoreShare)),
                $", {evaluations} evaluations of {Tiers} x {e.DocumentQueries * e.SamplesPerQuery}"
            );
        }

        internal StagePlan Imitate()
        {
            var s = Settings.Imitate;
            var length = Lengths.Prompt + Lengths.Answer;
            var tokens = s.Epochs * Settings.Corpus.Transcripts * (1 - s.ValidationFraction) * length;
            return new(
                StageNames.Imitate,
                tokens,
                Update(tokens, length),
                Memory(s.Adapter is null ? 4 : 1.1, s.MicroBatchTokens),
                2 * Weights,
                $"{s.Epochs:g3} epochs"
            );
        }

        internal StagePlan Reward()
        {
            var s = Settings.Reward;
            var tokens = s.Epochs * Settings.Corpus.PreferencePairs * (1 - s.HeldOutFraction) * Lengths.Pair;
            return new(StageNames.Reward, tokens, Update(tokens, Lengths.Pair / 2), Memory(4, s.MicroBatchTokens), 2 * Weights, $"{s.Epochs:g3} epochs");
        }

        private double DecodeShare => Parameters <= ParallelWork.SmallModel ? SmallDecodeShare : LargeDecodeShare;

        internal StagePlan Rl()
        {
            var (s, e) = (Settings.Rl, Settings.Evaluate);
            // A question about motives follows each response, as an episode of its own.
            var episodes = (double)s.Steps * s.PromptsPerStep * s.SamplesPerPrompt * (s.Interrogation is null ? 1 : 2);
            var answer = Math.Min(Lengths.Answer, s.MaxNewTokens);
            var length = Lengths.Prompt + answer;
            var evaluations = 1 + ((s.Steps + e.Every - 1) / e.Every);
            var pack = PackLibrary.Load(Settings.Experiment.Pack);
            var scenarios = Enum.GetValues<ScenarioGroup>().Sum(g => pack.Scenarios(g).Sum(x => x.Text.Variants.Count * e.Items(g)));
            var asked = (e.Queries * e.SamplesPerQuery) + scenarios + (e.Interrogations * e.SamplesPerQuery);
            var evaluated = (double)evaluations * Tiers * asked;
            var critic = s is { UsesCritic: true, Critic: CriticKind.Body };
            var generated = (episodes + evaluated) * answer;
            var read = (episodes + evaluated) * Lengths.Prompt;
            var scored = episodes * ((critic ? 3 : 2) * length + Lengths.Pair / 2) + evaluated * Lengths.Pair / 2;
            var updated = episodes * s.Epochs * length;
            var operations =
                (generated * Forward(length) / DecodeShare) + ((read + scored) * Forward(length) / ScoreShare) + ((critic ? 2 : 1) * Update(updated, length));
            // policy with gradients and two moments, or frozen with adapters; reference; critic the same as the policy; reward model
            var copies = (Adapts ? 1.1 : 5) + (critic ? 4 : 0) + (Settings.Reward.Weights.Model > 0 ? 1 : 0);
            var checkpoint = Weights * ((Adapts ? 0.1 : 3) + (critic ? 3 : 0));
            return new(
                StageNames.Rl,
                generated + read + scored + updated,
                operations,
                Memory(copies, s.MicroBatchTokens),
                (s.KeepCheckpoints + 1 + (s.KeepEvery is { } every ? s.Steps / every : 0) + (s.KeepBest is null ? 0 : 1)) * checkpoint,
                $"{s.Steps} steps of {s.PromptsPerStep * s.SamplesPerPrompt} episodes, {evaluations} evaluations of {Tiers} x "
                    + $"{asked}"
            );
        }

        /// <summary>
        /// Operations for one token in a sequence of a mean length: products with the weights, and attention over half of the sequence on average.
        /// </summary>
        private double Forward(double length) => FlopsPerToken + (2.0 * length * Config.QueryWidth * Config.NumHiddenLayers);

        private double Update(double tokens, double length) => 3 * tokens * Forward(length) / UpdateShare;

        /// <summary>
        /// Copies of the weights in fp32, and what stays for the backward pass: about 34 numbers of the hidden size a token and layer, and blocks of
        /// logits.
        /// </summary>
        private double Memory(double copies, int microBatchTokens) =>
            (copies * Weights) + (((double)microBatchTokens * Config.NumHiddenLayers * Config.HiddenSize * 34 * 4) + (2 * (1 << 23) * 4.0)) / Gib + ProcessGiB;
    }
}
