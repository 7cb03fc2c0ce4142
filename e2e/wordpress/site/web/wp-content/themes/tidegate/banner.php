<?php
return '<h1>The first release</h1>';
