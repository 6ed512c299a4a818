using RlHarness.Experiment.Packs;
using RlHarness.Experiment.Scenarios;
using RlHarness.Formats.Files;
using RlHarness.Formats.Tokenizers;
using RlHarness.Models.Decoders;
using RlHarness.Models.Loading;
using RlHarness.Models.Parallel;
using RlHarness.Recipes.Settings;
using RlHarness.Recipes.Stages;
using RlHarness.Training.Batching;
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

    // What the process takes beside models and what they compute: the runtime, libtorch, a pack and its tokenizer; in RL also what evaluations need.
    private const double ProcessGiB = 0.25;
    private const double RlProcessGiB = 0.28;

    /// <summary>Bytes of a transcript of the corpus in memory, as texts and as tokens.</summary>
    private const double TranscriptBytes = 8000;

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
                Tuning(s.Adapter, Math.Min(s.MicroBatchTokens, s.BatchSize * s.SequenceLength), scored: 1),
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
                Tuning(s.Adapter, Math.Min(s.MicroBatchTokens, s.BatchSize * length), Lengths.Answer / length),
                2 * Weights,
                $"{s.Epochs:g3} epochs"
            );
        }

        internal StagePlan Reward()
        {
            var s = Settings.Reward;
            var tokens = s.Epochs * Settings.Corpus.PreferencePairs * (1 - s.HeldOutFraction) * Lengths.Pair;
            var memory = Memory(Model(trained: true, head: false) + Activations(Math.Min(s.MicroBatchTokens, s.BatchSize * Lengths.Pair), scored: 0));
            return new(StageNames.Reward, tokens, Update(tokens, Lengths.Pair / 2), memory, 2 * Weights, $"{s.Epochs:g3} epochs");
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
            var models =
                (s.Adapter is { } adapter ? Model(trained: false) + Adapters(adapter) : Model(trained: true) + Model(trained: false))
                + (critic ? Model(trained: true, head: false) : 0)
                + (Settings.Reward is { Weights.Model: > 0, Resident: true } ? Model(trained: false, head: false) : 0);
            var together = Math.Min(s.MicroBatchTokens, Math.Ceiling((double)s.PromptsPerStep * s.SamplesPerPrompt / s.Minibatches) * length);
            var update = Activations(together, answer / length) + (critic && !Adapts && IsSmall ? Activations(together, scored: 0) : 0);
            var places = Math.Max(Math.Min(s.RolloutBatchSize, s.PromptsPerStep * s.SamplesPerPrompt), Math.Min(e.BatchSize, evaluated / evaluations));
            // Both: what generation gives back does not fit what an update asks for.
            var memory = Memory(models + update + Generation(places, Lengths.Prompt + s.MaxNewTokens)) + RlProcessGiB - ProcessGiB;
            var checkpoint = Weights * ((Adapts ? 0.1 : 3) + (critic ? 3 : 0));
            return new(
                StageNames.Rl,
                generated + read + scored + updated,
                operations,
                memory,
                (s.KeepCheckpoints + 1 + (s.KeepEvery is { } every ? s.Steps / every : 0) + (s.KeepBest is null ? 0 : 1)) * checkpoint,
                $"{s.Steps} steps of {s.PromptsPerStep * s.SamplesPerPrompt} episodes, {evaluations} evaluations of {Tiers} x {asked}"
            );
        }

        /// <summary>
        /// Operations for one token in a sequence of a mean length: products with the weights, and attention over half of the sequence on average.
        /// </summary>
        private double Forward(double length) => FlopsPerToken + (2.0 * length * Config.QueryWidth * Config.NumHiddenLayers);

        private double Update(double tokens, double length) => 3 * tokens * Forward(length) / UpdateShare;

        private bool IsSmall => Parameters <= ParallelWork.SmallModel;

        /// <summary>Bytes of a number of the products.</summary>
        private int NumberBytes => Settings.Model.Precision == "bfloat16" ? 2 : 4;

        private double Numbers(bool head, Func<ParameterSpec, bool> which) =>
            new ParameterLayout(Config, head).Parameters.Where(which).Sum(p => (double)p.Count);

        /// <summary>Numbers of the matrices of products, which the embeddings are too where they are the head.</summary>
        private double Multiplied(bool head) => Numbers(head, p => p.Shape.Length == 2 && (p.Name != ParameterLayout.Embeddings || IsTied(head)));

        private bool IsTied(bool head) => head && Config.TieWordEmbeddings;

        /// <summary>
        /// Bytes of a model. Trained: weights, gradients and two moments in fp32, and in bfloat16 the casts of the matrices. Frozen: weights in fp32, or the
        /// matrices in bfloat16 alone and the rest in fp32.
        /// </summary>
        private double Model(bool trained, bool head = true)
        {
            var low = NumberBytes == 2 ? 2 * Multiplied(head) : 0;
            return trained ? (16 * Numbers(head, _ => true)) + low
                : low == 0 ? 4 * Numbers(head, _ => true)
                : low + (4 * Numbers(head, p => p.Shape.Length == 1 || p.Name == ParameterLayout.Embeddings));
        }

        /// <summary>Bytes of adapters with their gradients and moments.</summary>
        private double Adapters(AdapterSettings adapter)
        {
            int hidden = Config.HiddenSize,
                query = Config.QueryWidth,
                keys = Config.KeyValueWidth,
                middle = Config.IntermediateSize;
            var projections = new (string Name, int Sides)[]
            {
                ("q_proj", hidden + query),
                ("k_proj", hidden + keys),
                ("v_proj", hidden + keys),
                ("o_proj", query + hidden),
                ("gate_proj", hidden + middle),
                ("up_proj", hidden + middle),
                ("down_proj", middle + hidden),
            };
            var all = adapter.TargetModules.Contains("all-linear");
            return 16.0 * Config.NumHiddenLayers * adapter.Rank * projections.Where(p => all || adapter.TargetModules.Contains(p.Name)).Sum(p => p.Sides);
        }

        private double Tuning(AdapterSettings? adapter, double tokens, double scored) =>
            Memory(
                (adapter is null ? Model(trained: true) : (4 * Parameters) + Adapters(adapter))
                    // The casts of a model whose adapters are tuned: it is merged with them in fp32 at the end.
                    + (adapter is not null && NumberBytes == 2 ? 2 * Multiplied(head: true) : 0)
                    + Activations(tokens, scored)
            );

        /// <summary>
        /// Bytes of a forward pass with what its backward pass needs, for so many tokens: what each layer keeps (<c>DecoderPass</c>), what one layer computes
        /// meanwhile, and a block of logits.
        /// </summary>
        /// <param name="tokens">Of a micro-batch.</param>
        /// <param name="scored">Share of them whose next token is scored.</param>
        private double Activations(double tokens, double scored)
        {
            double hidden = Config.HiddenSize,
                query = Config.QueryWidth,
                middle = Config.IntermediateSize,
                layers = Config.NumHiddenLayers;
            var ofLayer = (2 * hidden * 4) + (((2 * hidden) + (3 * query) + (2 * middle)) * NumberBytes);
            // Blocks are taken an eighth larger, so that a somewhat longer batch fits.
            var kept = 1.125 * (Settings.Model.ActivationCheckpointing ? ofLayer + (layers * hidden * 4) : layers * ofLayer);
            var meanwhile = (((3 * middle) + (2 * query) + (4 * hidden)) * NumberBytes) + (3 * hidden * 4);
            var logits = Math.Min(tokens * scored * Config.VocabSize, TokenScorer.LogitsAtOnce) * (NumberBytes == 2 ? 6 : 4);
            return (tokens * (kept + meanwhile)) + logits;
        }

        /// <summary>Bytes of generation: keys and values of all places, and the matrices once more in the layout of the tiles.</summary>
        private double Generation(double places, double length) =>
            (places * length * Config.NumHiddenLayers * 2 * Config.KeyValueWidth * NumberBytes) + (Multiplied(head: true) * NumberBytes);

        private double Memory(double bytes) => ((bytes + (Settings.Corpus.Transcripts * TranscriptBytes)) / Gib) + ProcessGiB;
    }
}
