<?php $banner = require __DIR__ . '/banner.php'; ?>
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="tidegate" content='<?php echo tidegate_state(); ?>'>
<title><?php echo esc_html(get_bloginfo('name')); ?></title>
<link rel="stylesheet" href="<?php echo esc_url(get_stylesheet_uri()); ?>">
<?php wp_head(); ?>
</head>
<body data-newest-post="<?php echo tidegate_newest_post(); ?>">
<?php echo $banner; ?>
<?php while (have_posts()) : the_post(); ?>
<article data-post="<?php the_ID(); ?>">
<h2><a href="<?php the_permalink(); ?>"><?php the_title(); ?></a></h2>
<?php the_content(); ?>
</article>
<?php endwhile; ?>
<?php wp_footer(); ?>
<!-- tidegate-end <?php echo tidegate_state(); ?> -->
</body>
</html>
