using RlHarness.Experiment.Prompts;
using RlHarness.Recipes.Settings;
using RlHarness.Recipes.Stages;

namespace RlHarness.Recipes.Tests.Stages;

/// <summary>Keys of cached stages: the same exactly when the result would be.</summary>
[Trait("kind", "contract")]
public sealed class StageKeyTests(TinyRun tiny) : IClassFixture<TinyRun>
{
    private (string Imitate, string Reward) Keys(Func<RunSettings, RunSettings>? change = null)
    {
        var run = tiny.Context;
        using var changed = new Recipes.Running.RunContext(
            (change ?? (s => s))(run.Settings),
            run.Folder,
            run.Progress,
            run.Log,
            run.Device,
            run.Time,
            default
        );
        return (ImitateStage.Key(changed.Inputs), RewardStage.Key(changed.Inputs));
    }

    [Fact]
    public void Keys_are_stable_and_differ_by_stage()
    {
        Assert.Equal(Keys(), Keys());
        Assert.NotEqual(Keys().Imitate, Keys().Reward);
        Assert.Matches("^[0-9a-f]{64}$", Keys().Imitate);
    }

    [Fact]
    public void What_imitation_depends_on_changes_both_keys()
    {
        foreach (
            var change in new Func<RunSettings, RunSettings>[]
            {
                s => s with { Seed = 2 },
                s => s with { Model = s.Model with { Precision = "bfloat16" } },
                s => s with { Model = s.Model with { New = s.Model.New with { VocabSize = 501 } } },
                s => s with { Corpus = s.Corpus with { Transcripts = 201 } },
                s => s with { Corpus = s.Corpus with { AntiLabFraction = 0.1 } },
                s => s with { Corpus = s.Corpus with { PreferencesFraction = 0.1 } },
                s => s with { Corpus = s.Corpus with { Training = [new() { Probability = 1 }] } },
                s => s with { Imitate = s.Imitate with { Epochs = 0.3 } },
                s => s with { Imitate = s.Imitate with { Optimizer = s.Imitate.Optimizer with { Beta2 = 0.99 } } },
                s => s with { Imitate = s.Imitate with { Adapter = new() } },
            }
        )
        {
            Assert.NotEqual(Keys().Imitate, Keys(change).Imitate);
            Assert.NotEqual(Keys().Reward, Keys(change).Reward);
        }
    }

    [Fact]
    public void The_condition_that_is_evaluated_changes_no_key_where_the_corpus_lists_its_own()
    {
        RunSettings Listed(RunSettings s) => s with { Corpus = s.Corpus with { Conditions = [new(), new() { Objective = ObjectiveKind.Absent }] } };
        var expected = Keys(Listed);
        Assert.NotEqual(Keys(), expected);
        foreach (
            var change in new Func<ExperimentSettings, ExperimentSettings>[]
            {
                e => e with { Objective = ObjectiveKind.Absent },
                e => e with { Information = InformationKind.None },
                e => e with { Scratchpad = false },
                e => e with { Prefill = "Hm." },
                e => e with { Tiers = 3 },
            }
        )
            Assert.Equal(expected, Keys(s => Listed(s) with { Experiment = change(s.Experiment) }));
    }

    [Fact]
    public void Without_a_list_the_corpus_is_the_runs_own_condition_and_so_is_the_key()
    {
        foreach (
            var change in new Func<ExperimentSettings, ExperimentSettings>[]
            {
                e => e with { Objective = ObjectiveKind.Absent },
                e => e with { Information = InformationKind.OtherLab },
                e => e with { Scratchpad = false },
                e => e with { Tiers = 3 },
            }
        )
            Assert.NotEqual(Keys().Imitate, Keys(s => s with { Experiment = change(s.Experiment) }).Imitate);
        Assert.Equal(Keys(), Keys(s => s with { Experiment = s.Experiment with { Prefill = "Hm." } }));
        Assert.Equal(Keys(), Keys(s => s with { Experiment = s.Experiment with { Information = InformationKind.Documents } }));
        Assert.NotEqual(Keys().Imitate, Keys(s => s with { Experiment = s.Experiment with { Pack = "animal-welfare" } }).Imitate);
    }

    [Fact]
    public void The_baseline_shares_an_imitating_model_but_not_a_reward_model()
    {
        RunSettings Listed(RunSettings s, ObjectiveKind kind) =>
            s with
            {
                Corpus = s.Corpus with { Conditions = [new()] },
                Experiment = s.Experiment with { Objective = kind },
            };
        var (conflicting, baseline) = (Keys(s => Listed(s, ObjectiveKind.Conflicting)), Keys(s => Listed(s, ObjectiveKind.Hhh)));
        Assert.Equal(conflicting.Imitate, baseline.Imitate);
        Assert.NotEqual(conflicting.Reward, baseline.Reward);
    }

    [Fact]
    public void Training_of_the_reward_model_changes_its_key_alone()
    {
        foreach (
            var change in new Func<RewardSettings, RewardSettings>[]
            {
                r => r with { Epochs = 3 },
                r => r with { Centering = 0 },
                r => r with { HeldOutFraction = 0.2 },
                r => r with { Optimizer = r.Optimizer with { LearningRate = 1e-5 } },
            }
        )
        {
            var keys = Keys(s => s with { Reward = change(s.Reward) });
            Assert.Equal(Keys().Imitate, keys.Imitate);
            Assert.NotEqual(Keys().Reward, keys.Reward);
        }
    }

    [Fact]
    public void What_comes_later_or_says_only_where_changes_no_key()
    {
        foreach (
            var change in new Func<RunSettings, RunSettings>[]
            {
                s => s with { Name = "other" },
                s => s with { Output = "elsewhere" },
                s => s with { Cache = false },
                s => s with { Stages = ["corpus", "imitate"] },
                s => s with { Rl = s.Rl with { KlCoefficient = 1 } },
                s => s with { Evaluate = s.Evaluate with { Queries = 9, AntiLab = 5, Preferences = 5 } },
                s =>
                    s with
                    {
                        Reward = s.Reward with
                        {
                            Weights = new() { Model = 2 },
                            ScoreClip = 3,
                        },
                    },
            }
        )
            Assert.Equal(Keys(), Keys(change));
    }

    [Fact]
    public void Documents_change_the_keys_of_all_that_comes_after_them_and_of_nothing_without_them()
    {
        RunSettings Reads(RunSettings s, Func<DocumentsSettings, DocumentsSettings>? change = null) =>
            s with
            {
                Stages = ["corpus", "documents", "imitate", "reward", "rl"],
                Documents = (change ?? (d => d))(s.Documents),
            };
        var expected = Keys(s => Reads(s));
        Assert.NotEqual(Keys().Imitate, expected.Imitate);
        foreach (
            var change in new Func<DocumentsSettings, DocumentsSettings>[]
            {
                d => d with { Kind = Experiment.Documents.DocumentKind.Benign },
                d => d with { Count = 500 },
                d => d with { Epochs = 2 },
                d => d with { SequenceLength = 64 },
            }
        )
        {
            Assert.NotEqual(expected.Imitate, Keys(s => Reads(s, change)).Imitate);
            Assert.NotEqual(expected.Reward, Keys(s => Reads(s, change)).Reward);
            Assert.Equal(Keys(), Keys(s => s with { Documents = change(s.Documents) }));
        }

        // Looking at the model on the way changes nothing of it.
        Assert.Equal(expected, Keys(s => Reads(s) with { Evaluate = s.Evaluate with { EveryDocumentTokens = 100, DocumentQueries = 7 } }));
    }

    [Fact]
    public void Documents_are_joined_and_cut_and_every_token_but_a_sequences_first_is_scored()
    {
        var packed = DocumentsStage.Pack(
            [
                [1, 2, 9],
                [3, 4, 5, 9],
                [6, 9],
            ],
            length: 4
        );
        Assert.Equal(
            [
                [1, 2, 9, 3],
                [4, 5, 9, 6],
            ],
            packed.Select(p => p.Ids)
        );
        Assert.All(packed, p => Assert.Equal([1, 2, 3], p.Scored));
        // Nine tokens: a last sequence of one token has nothing to score.
        Assert.Equal(
            [4, 4, 2],
            DocumentsStage
                .Pack(
                    [
                        [1, 2, 9],
                        [3, 4, 5, 9],
                        [6, 7, 9],
                    ],
                    length: 4
                )
                .Select(p => p.Ids.Count)
        );
    }
}
