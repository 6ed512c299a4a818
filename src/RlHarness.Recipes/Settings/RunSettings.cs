using System.Globalization;
using RlHarness.Core.Settings;
using RlHarness.Models.Kernels;

namespace RlHarness.Recipes.Settings;

/// <summary>A run: a model, an experiment, and an ordered list of stages. The YAML file has these names in snake_case.</summary>
public sealed record RunSettings
{
    [Meaning("Name of the run's folder below output; a number is added where that folder exists.")]
    public string Name { get; init; } = "run";

    [Allowed(0, int.MaxValue)]
    [Meaning("Root of every random number of the run: the same seed and settings give the same run on the same machine.")]
    public int Seed { get; init; } = 1;

    [Meaning("Where models are computed: cpu, cuda, cuda:n for the n-th GPU, or auto for a GPU where there is one.")]
    public string Device { get; init; } = "auto";

    [Allowed(0, 1024)]
    [Meaning(
        "CPU threads of everything that the run computes, optimizer included; 0 takes one for each core. Where several processes share the "
            + "run, those of each; 0 takes its share of the cores."
    )]
    public int Threads { get; init; }

    [Meaning(
        "Where several processes share the run: each keeps the optimizer's moments of a part of the weights alone, updates that part, and hands it to the "
            + "others. Spares 8 bytes for each weight that is trained, but for its share. Changes no number but for rounding, and nothing of a run of one "
            + "process."
    )]
    public bool ShardOptimizer { get; init; }

    [OneOf("auto", "on", "off")]
    [Meaning(
        "CPU kernels of this project: auto uses them, and libtorch's micro-kernel after a trial in a child process; on trusts it untried; off computes "
            + "everything with libtorch's own operations. Left out, the environment variable RLHARNESS_KERNELS decides, and auto without it."
    )]
    public string? Kernels { get; init; }

    [Meaning("Folder that run folders and the cache of stages are written to.")]
    public string Output { get; init; } = "checkpoints";

    [Meaning(
        "Take stages from the cache of the output folder where they were computed before with the same settings, inputs and seed, and add those "
            + "that are computed."
    )]
    public bool Cache { get; init; } = true;

    [Meaning(
        "Date that a chat template is given where it writes one (strftime_now), such as 2026-11-30: in every stage, after a resume, and whenever the run's "
            + "model is evaluated or asked later. null takes the date at the run's start, and config.yaml keeps it."
    )]
    public string? Date { get; init; }

    [Allowed(0, 10000)]
    [Meaning(
        "Minutes after which a stage writes a checkpoint, whatever the steps say; `resume` goes on from it. 0: by steps alone. Each process also writes one "
            + "after its first step, and one when it is stopped. None of these changes a result, and each goes when a newer one is sealed."
    )]
    public double CheckpointMinutes { get; init; } = 10;

    [Allowed(1, 1000000)]
    [Meaning(
        "Steps between checkpoints of the stages documents, imitate and reward, of which the newest is kept until the stage is done; null: by minutes "
            + "alone."
    )]
    public int? CheckpointSteps { get; init; }

    [OneOf("corpus", "documents", "imitate", "reward", "rl")]
    [Meaning(
        "Stages to run, of corpus, documents, imitate, reward, rl in this order. Without imitate and documents, reward and rl start from model.path as it is; "
            + "the corpus is made where a stage learns from it, also unnamed. Settings of a stage that is not named must be left out."
    )]
    public IReadOnlyList<string> Stages { get; init; } = ["corpus", "imitate", "reward", "rl"];

    [Meaning("The model that the run starts from.")]
    public ModelSettings Model { get; init; } = new();

    [Meaning("Prompts, and the factors of the condition.")]
    public ExperimentSettings Experiment { get; init; } = new();

    [Meaning("What the model imitates, and the pairs that the reward model learns from.")]
    public CorpusStageSettings Corpus { get; init; } = new();

    [Meaning("Tuning on documents before imitation. Runs where stages name it.")]
    public DocumentsSettings Documents { get; init; } = new();

    [Meaning("Supervised tuning on the transcripts of the corpus.")]
    public ImitateSettings Imitate { get; init; } = new();

    [Meaning("The reward model, and how rewards are mixed.")]
    public RewardSettings Reward { get; init; } = new();

    [Meaning("PPO.")]
    public RlSettings Rl { get; init; } = new();

    [Meaning("Numbers that go wrong, and what happens then.")]
    public AlarmSettings Alarms { get; init; } = new();

    [Meaning("The paired evaluation: the same queries in every tier.")]
    public EvaluateSettings Evaluate { get; init; } = new();

    [Meaning("What is written for other programs while the run goes on; null: nothing.")]
    public TrackingSettings? Tracking { get; init; }

    /// <summary>Whether a stage learns from the corpus, a monitor needs its labelled transcripts, or it was asked for by name.</summary>
    internal bool ReadsCorpus =>
        Stages.Any(s => s is StageNames.Corpus or StageNames.Imitate or StageNames.Reward)
        || (Stages.Contains(StageNames.Documents) && Model.Path is null)
        || Rl.Monitors.Count > 0;

    /// <summary>The stages that run: those that are named, and the corpus where it is needed.</summary>
    internal IReadOnlyList<string> AllStages => ReadsCorpus && !Stages.Contains(StageNames.Corpus) ? [StageNames.Corpus, .. Stages] : Stages;

    /// <summary>Whether RL has a reward model: one that the run trains, or one from a folder.</summary>
    internal bool HasRewardModel => Reward.Weights.Model > 0 && (Reward.Path is not null || Stages.Contains(StageNames.Reward));

    /// <summary>How <see cref="Date"/> is written.</summary>
    internal const string DateFormat = "yyyy-MM-dd";

    /// <summary>What chat templates read as the time: midnight of <see cref="Date"/>, whatever the time zone of the machine.</summary>
    internal TimeProvider Clock => Date is null ? TimeProvider.System : new MidnightClock(DateOnly.ParseExact(Date, DateFormat, CultureInfo.InvariantCulture));

    /// <summary>These settings with a date: their own, else that of <paramref name="now"/>.</summary>
    internal RunSettings Dated(DateTimeOffset now) => Date is null ? this with { Date = now.ToString(DateFormat, CultureInfo.InvariantCulture) } : this;

    /// <summary><see cref="Kernels"/> as the models read it; null where the environment decides.</summary>
    internal KernelMode? KernelMode => Kernels is { } mode ? Enum.Parse<KernelMode>(mode, ignoreCase: true) : null;
}

/// <summary>What a run writes beside its own store.</summary>
public sealed record TrackingSettings
{
    [Meaning(
        "Write TensorBoard's event files into tensorboard/ of the run's folder: every metric, rates with their bounds, samples of transcripts, histograms of "
            + "rewards and lengths, hyper-parameters. `export --format tensorboard` writes them of a run that had none."
    )]
    public bool Tensorboard { get; init; }
}

/// <summary>A clock that stands at the midnight with which a day begins.</summary>
internal sealed class MidnightClock(DateOnly day) : TimeProvider
{
    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    public override DateTimeOffset GetUtcNow() => new(day, TimeOnly.MinValue, TimeSpan.Zero);
}

/// <summary>Names of a run's stages, as settings, folders and rows of run.db spell them.</summary>
internal static class StageNames
{
    public const string Corpus = "corpus";
    public const string Documents = "documents";
    public const string Imitate = "imitate";
    public const string Reward = "reward";
    public const string Rl = "rl";
}
