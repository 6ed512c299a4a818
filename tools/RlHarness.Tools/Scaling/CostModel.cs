namespace RlHarness.Tools.Scaling;

/// <summary>GPUs and what connects them. Peaks are the makers' figures for one direction; the shares of them that are reached are assumptions.</summary>
/// <param name="Operations">Products in bfloat16, dense, a second and GPU.</param>
/// <param name="Memory">Bytes of a GPU.</param>
/// <param name="MemoryBandwidth">Bytes a second of a GPU's memory.</param>
/// <param name="NodeGpus">GPUs of a node, each connected to all others by NVLink.</param>
/// <param name="NodeBandwidth">Bytes a second in one direction between a GPU and its node.</param>
/// <param name="NetworkBandwidth">Bytes a second in one direction between a GPU and other nodes.</param>
internal sealed record Cluster(
    string Name,
    double Operations,
    double Memory,
    double MemoryBandwidth,
    int NodeGpus,
    double NodeBandwidth,
    double NetworkBandwidth
)
{
    /// <summary>H100 SXM in nodes of eight with one 400 Gb/s adapter for each GPU, as NVIDIA's DGX H100.</summary>
    internal static Cluster H100 { get; } = new("H100 SXM, 8 a node, NDR InfiniBand", 989e12, 80e9, 3.35e12, 8, 450e9, 50e9);

    /// <summary>Share of the peak that passes over packed sequences reach.</summary>
    internal double ProductShare { get; init; } = 0.4;

    /// <summary>Share of the memory's bandwidth that reading weights and cache reaches.</summary>
    internal double MemoryShare { get; init; } = 0.6;

    /// <summary>Share of a link's bandwidth that large collectives reach.</summary>
    internal double LinkShare { get; init; } = 0.8;

    /// <summary>Seconds of a hop inside a node, and between nodes, launch of the kernel included.</summary>
    internal double NodeLatency { get; init; } = 5e-6;

    internal double NetworkLatency { get; init; } = 20e-6;

    /// <summary>Share of the memory that weights, gradients and moments may take; activations and the cache of generation have the rest.</summary>
    internal double StatesShare { get; init; } = 0.6;
}

/// <summary>A decoder's sizes, as its config.json has them.</summary>
internal sealed record Shape(string Name, double Parameters, int Layers, int Hidden, int Heads, int KeyValueHeads, int HeadSize)
{
    /// <summary>From the model cards' config.json.</summary>
    internal static IReadOnlyList<Shape> All { get; } =
    [
        new("Llama 3.2 1B", 1.24e9, 16, 2048, 32, 8, 64),
        new("Llama 3.2 3B", 3.21e9, 28, 3072, 24, 8, 128),
        new("Llama 3.1 8B", 8.03e9, 32, 4096, 32, 8, 128),
        new("Qwen2.5 32B", 32.8e9, 64, 5120, 40, 8, 128),
        new("Llama 3.1 70B", 70.6e9, 80, 8192, 64, 8, 128),
    ];

    /// <summary>Operations of a forward pass for a token: two for each weight, and two products with each of the positions that it sees.</summary>
    internal double Forward(double context) => (2 * Parameters) + (4.0 * Layers * Heads * HeadSize * context);

    /// <summary>Bytes of a position in the cache, bfloat16.</summary>
    internal double CacheBytes => 2.0 * 2 * Layers * KeyValueHeads * HeadSize;
}

/// <summary>A step of PPO.</summary>
internal sealed record PpoWork(int Episodes, int Prompt = 512, int Response = 512, int Epochs = 2, int Minibatches = 4)
{
    /// <summary>Answers of a replica that decode together.</summary>
    internal int Batch { get; init; } = 256;

    internal int Length => Prompt + Response;
}

/// <summary>How a model lies on GPUs: Tensor × Pipeline of them hold it once, and there are so many replicas.</summary>
internal sealed record Layout(int Tensor, int Pipeline, int Replicas)
{
    internal int Gpus => Tensor * Pipeline * Replicas;

    internal int ModelGpus => Tensor * Pipeline;
}

/// <param name="Rollout">Seconds of reading prompts and drawing answers.</param>
/// <param name="Score">Log-probabilities of policy and reference, values, rewards.</param>
/// <param name="Update">Forward and backward passes of policy and critic, pipeline bubbles included.</param>
/// <param name="Optimizer">AdamW over both.</param>
/// <param name="Gradient">Sums of gradients over replicas.</param>
/// <param name="Activations">Sums of activations inside a replica: tensor parallelism.</param>
internal sealed record StepCost(double Rollout, double Score, double Update, double Optimizer, double Gradient, double Activations)
{
    internal double Total => Rollout + Score + Update + Optimizer + Gradient + Activations;

    internal double CommunicationShare => (Gradient + Activations) / Total;
}

/// <summary>
/// Seconds of a PPO step from its operations and bytes. Nothing overlaps: work and communication take turns, as they do in this program. What data parallel
/// runs of this program have is a layout of one GPU for each model; tensor and pipeline parallelism are what it would need beyond, by the formulas of
/// Narayanan et al. 2021 (arXiv 2104.04473).
/// </summary>
internal static class CostModel
{
    /// <summary>Bytes of a weight that is trained: itself, its gradient, two moments in fp32, and its copy in bfloat16.</summary>
    private const double Trained = 4 + 4 + 8 + 2;

    /// <summary>Bytes of a weight that is only read: fp32, as it is loaded, and its copy in bfloat16.</summary>
    private const double Frozen = 4 + 2;

    private const double Moments = 8;

    /// <summary>Policy and critic are trained, reference and reward model are read.</summary>
    private const int TrainedModels = 2,
        FrozenModels = 2,
        ScoringPasses = 4;

    /// <summary>Bytes that AdamW reads and writes for a weight: weight, gradient and moments in, weight and moments out.</summary>
    private const double OptimizerBytes = 7 * 4;

    /// <summary>Bytes of a weight in bfloat16, and of a number of the gradient.</summary>
    private const double Half = 2,
        Single = 4;

    /// <summary>Micro-batches of a minibatch in a pipeline, for each stage.</summary>
    private const int MicroBatches = 4;

    /// <summary>Sums of activations in a layer's forward pass, and as many in its backward pass (Shoeybi et al. 2019, arXiv 1909.08053).</summary>
    private const int SumsOfLayer = 2;

    /// <summary>
    /// An all-reduce: a reduce-scatter inside each node, an all-reduce of each part between nodes, an all-gather inside each node. A ring moves 2 (n − 1) / n
    /// of the bytes through each link (Patarasuk and Yuan 2009); between nodes latency grows with the depth of a tree.
    /// </summary>
    /// <param name="bytes">Of a rank.</param>
    /// <param name="inside">Ranks on a node.</param>
    /// <param name="nodes">Nodes.</param>
    internal static double AllReduce(double bytes, int inside, int nodes, Cluster cluster)
    {
        var seconds = 0.0;
        if (inside > 1)
            seconds += (2.0 * (inside - 1) / inside * bytes / (cluster.NodeBandwidth * cluster.LinkShare)) + (2 * (inside - 1) * cluster.NodeLatency);
        if (nodes > 1)
            seconds +=
                (2.0 * (nodes - 1) / nodes * (bytes / inside) / (cluster.NetworkBandwidth * cluster.LinkShare))
                + (2 * Math.Ceiling(Math.Log2(nodes)) * cluster.NetworkLatency);
        return seconds;
    }

    /// <summary>Bytes of a GPU for weights, gradients and moments of the four models.</summary>
    /// <param name="sharded">With shard_optimizer: moments lie on one replica each.</param>
    internal static double States(Shape shape, Layout layout, bool sharded) =>
        shape.Parameters * ((TrainedModels * (Trained - (sharded ? Moments * (1 - (1.0 / layout.Replicas)) : 0))) + (FrozenModels * Frozen)) / layout.ModelGpus;

    /// <summary>The layout that holds a model by as few GPUs as can, tensor parallel inside a node first; null where none does.</summary>
    internal static Layout? Smallest(Shape shape, int gpus, Cluster cluster, bool sharded)
    {
        foreach (var pipeline in new[] { 1, 2, 4, 8, 16 })
            for (var tensor = 1; tensor <= cluster.NodeGpus; tensor *= 2)
            {
                // A pipeline begins where a node is full.
                if (pipeline > 1 && tensor < cluster.NodeGpus || gpus % (tensor * pipeline) != 0)
                    continue;
                var layout = new Layout(tensor, pipeline, gpus / (tensor * pipeline));
                if (States(shape, layout, sharded) <= cluster.StatesShare * cluster.Memory)
                    return layout;
            }

        return null;
    }

    internal static StepCost Step(Shape shape, PpoWork work, Layout layout, Cluster cluster)
    {
        // The replica with most to do is waited for.
        double episodes = Math.Ceiling((double)work.Episodes / layout.Replicas);
        var speed = layout.ModelGpus * cluster.Operations * cluster.ProductShare;
        var memory = layout.ModelGpus * cluster.MemoryBandwidth * cluster.MemoryShare;
        var pass = episodes * work.Length * shape.Forward(work.Length / 2.0) / speed;

        // Each token of an answer waits for the one before: weights and caches are read once for all answers that decode together.
        var waves = Math.Ceiling(episodes / work.Batch);
        var together = episodes / waves;
        var context = work.Prompt + (work.Response / 2.0);
        var token = Math.Max(((Half * shape.Parameters) + (together * context * shape.CacheBytes)) / memory, together * shape.Forward(context) / speed);
        var latency = layout.Tensor > 1 ? SumsOfLayer * shape.Layers * 2 * (layout.Tensor - 1) * cluster.NodeLatency : 0;
        var rollout = (episodes * work.Prompt * shape.Forward(work.Prompt / 2.0) / speed) + (waves * work.Response * (token + latency));

        var bubble = 1 + ((layout.Pipeline - 1.0) / (MicroBatches * layout.Pipeline));
        var update = 3 * TrainedModels * work.Epochs * pass * bubble;
        var optimizer = work.Epochs * work.Minibatches * TrainedModels * OptimizerBytes * shape.Parameters / memory;

        // Replicas that share a node sum inside it first.
        var inside = Math.Clamp(cluster.NodeGpus / layout.ModelGpus, 1, layout.Replicas);
        var gradient =
            work.Epochs
            * work.Minibatches
            * TrainedModels
            * AllReduce(Single * shape.Parameters / layout.ModelGpus, inside, (layout.Replicas + inside - 1) / inside, cluster);

        // Passes that sum activations: the prompts', those that score, and forward and backward of each update.
        var tokens = (episodes * work.Prompt) + (episodes * work.Length * (ScoringPasses + (2 * TrainedModels * work.Epochs)));
        var activations = AllReduce(SumsOfLayer * Half * shape.Hidden * tokens * shape.Layers / layout.Pipeline, layout.Tensor, 1, cluster);
        return new(rollout, ScoringPasses * pass, update, optimizer, gradient, activations);
    }
}
