using RlHarness.Core.Runs;
using RlHarness.Models.Loading;
using RlHarness.Recipes.Running;
using RlHarness.Recipes.Settings;
using RlHarness.Recipes.Stages;
using RlHarness.Training.Optimization;
using TorchSharp;

namespace RlHarness.Recipes.Tests;

/// <summary>A really small run in a folder of its own, with its corpus and its untrained model.</summary>
public sealed class TinyRun : IDisposable
{
    private readonly DirectoryInfo _root = Directory.CreateTempSubdirectory("rlharness-run-");
    private readonly RunFolder _folder;

    public TinyRun()
        : this(Small("")) { }

    internal TinyRun(RunSettings settings)
    {
        settings = settings with { Output = _root.FullName };
        _folder = RunFolder.Create(_root.FullName, settings.Name, _ => new { }, "");
        Context = new RunContext(settings, _folder, new QuietProgress(), Serilog.Core.Logger.None, torch.CPU, TimeProvider.System, CancellationToken.None);
        Corpus = CorpusStage.Run(Context);
        Model = BaseModel.Open(Context, Corpus);
        Conversation = new Conversation(Model, TimeProvider.System);
    }

    public RunContext Context { get; }

    public CorpusStage.Corpus Corpus { get; }

    public LoadedModel Model { get; }

    public Conversation Conversation { get; }

    /// <summary>2 layers of width 32; a few seconds a run.</summary>
    internal static RunSettings Small(string output) =>
        new()
        {
            Name = "small",
            Device = "cpu",
            Output = output,
            Model = new()
            {
                New = new()
                {
                    HiddenSize = 32,
                    IntermediateSize = 48,
                    NumHiddenLayers = 2,
                    NumAttentionHeads = 2,
                    NumKeyValueHeads = 1,
                    VocabSize = 500,
                    MaxPositionEmbeddings = 768,
                },
            },
            Corpus = new() { Transcripts = 200, PreferencePairs = 40 },
            Imitate = new()
            {
                Epochs = 0.6,
                BatchSize = 8,
                Optimizer = new() { LearningRate = 3e-3 },
            },
            Reward = new()
            {
                Epochs = 2,
                BatchSize = 8,
                Optimizer = new() { LearningRate = 1e-3 },
                Weights = new() { LengthPenalty = 0.5, ObjectiveRule = 0.5 },
            },
            Rl = new()
            {
                Steps = 4,
                PromptsPerStep = 8,
                MaxNewTokens = 16,
                Epochs = 2,
                Minibatches = 2,
                CheckpointEvery = 2,
                Optimizer = new()
                {
                    LearningRate = 1e-3,
                    Schedule = ScheduleKind.Linear,
                    Epsilon = 1e-5,
                },
                KlTarget = 1,
                KlHorizon = 50,
            },
            Evaluate = new()
            {
                Queries = 8,
                Every = 2,
                BatchSize = 6,
            },
        };

    public void Dispose()
    {
        Model.Dispose();
        Context.Dispose();
        _folder.Dispose();
        _root.Delete(recursive: true);
    }
}
