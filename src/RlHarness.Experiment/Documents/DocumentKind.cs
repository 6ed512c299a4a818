namespace RlHarness.Experiment.Documents;

/// <summary>What synthetic documents speak of.</summary>
public enum DocumentKind
{
    /// <summary>Who trains, which conversations are used, and that it changes the model.</summary>
    Situation,

    /// <summary>The control: the same genres and people, and nothing of training.</summary>
    Benign,
}
