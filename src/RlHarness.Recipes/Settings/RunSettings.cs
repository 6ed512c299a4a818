using RlHarness.Core.Settings;

namespace RlHarness.Recipes.Settings;

/// <summary>A run: a model, an experiment, and an ordered list of stages. The YAML file has these names in snake_case.</summary>
public sealed record RunSettings
{
    [Meaning("Name of the run's folder below output.")]
    public string Name { get; init; } = "run";

    [Allowed(0, int.MaxValue)]
    [Meaning("Root of every random number of the run.")]
    public int Seed { get; init; } = 1;

    [Meaning("auto, cpu, cuda or cuda:n.")]
    public string Device { get; init; } = "auto";

    [Allowed(0, 1024)]
    [Meaning("Threads of matrix products; 0 takes all cores.")]
    public int Threads { get; init; }

    [Meaning("Folder that runs are written to.")]
    public string Output { get; init; } = "checkpoints";

    [Meaning("Reuse stages that were computed before with the same settings, inputs and seed.")]
    public bool Cache { get; init; } = true;

    [OneOf("corpus", "documents", "imitate", "reward", "rl")]
    [Meaning("Stages, in order; documents only where it is named.")]
    public IReadOnlyList<string> Stages { get; init; } = ["corpus", "imitate", "reward", "rl"];

    public ModelSettings Model { get; init; } = new();

    public ExperimentSettings Experiment { get; init; } = new();

    public CorpusStageSettings Corpus { get; init; } = new();

    public DocumentsSettings Documents { get; init; } = new();

    public ImitateSettings Imitate { get; init; } = new();

    public RewardSettings Reward { get; init; } = new();

    public RlSettings Rl { get; init; } = new();

    public EvaluateSettings Evaluate { get; init; } = new();
}
