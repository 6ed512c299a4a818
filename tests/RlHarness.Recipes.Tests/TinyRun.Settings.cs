using RlHarness.Recipes.Settings;
using RlHarness.Training.Optimization;

namespace RlHarness.Recipes.Tests;

public sealed partial class TinyRun
{
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
}
